// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from "vitest";
import type { HolderScan } from "../../src/host/holders.ts";
import { createSharedScan, type SharedScan } from "../../src/host/shared-scan.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";

let clock: FakeClock;
let begun: number[];
let tookMs: number;
let isWhole: boolean;
let shared: SharedScan;

beforeEach(() => {
  clock = createFakeClock();
  begun = [];
  tookMs = 10;
  isWhole = true;
  shared = createSharedScan(clock, search);
});

/** A search that finds its own number. */
function search(): Promise<HolderScan> {
  begun.push(clock.nowMs());
  const mine: HolderScan = isWhole ? { kind: "Known", pidsByNode: new Map([["vfio0", [begun.length]]]) } : { kind: "Unreadable", why: "not whole" };
  return new Promise((resolve) => void clock.after(tookMs, () => resolve(mine)));
}

const nth = (number: number) => ({ kind: "Known", pidsByNode: new Map([["vfio0", [number]]]) });

async function later(ms: number, ask: () => Promise<HolderScan>): Promise<HolderScan> {
  await clock.advance(ms);
  const answer = ask();
  await clock.advance(5_000);
  return answer;
}

describe("a fresh scan", () => {
  it("began after the question, and is shared by those that ask while another one runs", async () => {
    const first = shared.fresh();
    await clock.advance(5);
    const [second, third] = [shared.fresh(), shared.fresh()];
    await clock.advance(100);
    expect(await Promise.all([first, second, third])).toEqual([nth(1), nth(2), nth(2)]);
    expect(begun).toEqual([0, 10]);
  });
});

describe("a thrifty scan", () => {
  it("is made anew where scanning is cheap, and used again for twenty times what it took, up to a second", async () => {
    expect(await later(0, shared.thrifty)).toEqual(nth(1));
    expect(await later(1, shared.thrifty)).toEqual(nth(2));
    tookMs = 40;
    const third = shared.thrifty();
    await clock.advance(800);
    expect(await third).toEqual(nth(3));
    expect(await shared.thrifty()).toEqual(nth(3));
    await clock.advance(1);
    expect(await later(0, shared.thrifty)).toEqual(nth(4));
    tookMs = 900;
    const fifth = shared.thrifty();
    await clock.advance(1_001);
    expect(await fifth).toEqual(nth(5));
    expect(await later(0, shared.thrifty)).toEqual(nth(6));
  });

  it("is never one that is not whole", async () => {
    isWhole = false;
    tookMs = 100;
    const first = shared.thrifty();
    await clock.advance(100);
    expect(await first).toMatchObject({ kind: "Unreadable" });
    isWhole = true;
    expect(await later(0, shared.thrifty)).toEqual(nth(2));
  });
});

describe("a recent scan", () => {
  it("began at most a second ago", async () => {
    const first = shared.recent(50);
    await clock.advance(1_000);
    expect(await first).toEqual(nth(1));
    expect(await shared.recent(50)).toEqual(nth(1));
    await clock.advance(1);
    expect(await later(0, () => shared.recent(50))).toEqual(nth(2));
  });

  it("is Unreadable when none is finished in time, and the one that went on answers the next caller", async () => {
    tookMs = 300;
    const first = shared.recent(50);
    await clock.advance(50);
    expect(await first).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("50 ms") });
    await clock.advance(250);
    expect(await shared.recent(50)).toEqual(nth(1));
    expect(begun).toEqual([0]);
  });

  it("is not one that has run for more than a second", async () => {
    tookMs = 1_500;
    void shared.fresh();
    await clock.advance(1_100);
    const late = shared.recent(500);
    await clock.advance(5_000);
    expect(await late).toMatchObject({ kind: "Unreadable" });
    expect(begun).toEqual([0, 1_500]);
  });
});
