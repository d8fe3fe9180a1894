// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { createMemoryRest, type MemoryRest } from "./memory-rest.ts";

const MEGABYTE = 1_000_000;
let clock: FakeClock;
let resident: number;
let collected: number;
let rest: MemoryRest;

beforeEach(() => {
  clock = createFakeClock();
  resident = 100 * MEGABYTE;
  collected = 0;
  const collect = (): void => {
    collected += 1;
    resident = 80 * MEGABYTE;
  };
  rest = createMemoryRest({ clock, collect, residentBytes: () => resident });
});

describe("memory at rest", () => {
  it("is given back once nothing was done for a while", async () => {
    rest.touch();
    await clock.advance(800);
    rest.touch();
    await clock.advance(800);
    expect(collected).toBe(0);
    await clock.advance(2_000);
    expect(collected).toBe(1);
  });

  it("is left alone until there is something worth collecting again", async () => {
    rest.touch();
    await clock.advance(70_000);
    rest.touch();
    await clock.advance(70_000);
    expect(collected).toBe(1);
    resident = 90 * MEGABYTE;
    rest.touch();
    await clock.advance(10_000);
    expect(collected).toBe(2);
  });

  it("is not collected again within a minute", async () => {
    rest.touch();
    await clock.advance(2_000);
    resident = 200 * MEGABYTE;
    rest.touch();
    await clock.advance(2_000);
    expect(collected).toBe(1);
  });

  it("leaves no timer behind when it is stopped", () => {
    rest.touch();
    rest.stop();
    expect(clock.pending()).toBe(0);
  });
});
