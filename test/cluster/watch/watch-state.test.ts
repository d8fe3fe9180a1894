// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterOutcome, delayBefore, UNLISTED, type WatchOutcome, type WatchState } from "../../../src/cluster/watch/watch-state.ts";

const failed: WatchOutcome = { kind: "Failed" };
const watching: WatchState = { next: "Watch", resourceVersion: "7", failures: 0 };

const anyOutcome: fc.Arbitrary<WatchOutcome> = fc.oneof(
  fc.record({ kind: fc.constant("Listed" as const), resourceVersion: fc.constantFrom("8", "9") }),
  fc.record({ kind: fc.constant("Progress" as const), resourceVersion: fc.constantFrom("8", "9") }),
  fc.record({ kind: fc.constant("Ended" as const), livedMs: fc.nat(10_000) }),
  fc.constantFrom<WatchOutcome>({ kind: "Gone" }, { kind: "Garbled" }, failed),
);

describe("the watch", () => {
  test("starts with a list and watches from its version", () => {
    expect(afterOutcome(UNLISTED, { kind: "Listed", resourceVersion: "7" })).toEqual(watching);
  });

  test("goes on from the newest version, be it an event's or a bookmark's", () => {
    const moved = afterOutcome({ ...watching, failures: 3 }, { kind: "Progress", resourceVersion: "9" });
    expect(moved).toEqual({ next: "Watch", resourceVersion: "9", failures: 0 });
    expect(afterOutcome(moved, { kind: "Ended", livedMs: 300_000 })).toEqual(moved);
  });

  test("resumes where it was after a reset, and lists again when its version is too old or it missed something", () => {
    expect(afterOutcome(watching, failed)).toEqual({ ...watching, failures: 1 });
    expect(afterOutcome(watching, { kind: "Gone" })).toEqual({ next: "List", failures: 1 });
    expect(afterOutcome(watching, { kind: "Garbled" })).toEqual({ next: "List", failures: 1 });
  });

  test("suspects its version after five failures in a row", () => {
    const after = [failed, failed, failed, failed, failed].reduce(afterOutcome, watching);
    expect(after).toEqual({ next: "List", failures: 5 });
  });

  test("slows down when each list succeeds and each watch is refused", () => {
    let state: WatchState = UNLISTED;
    for (let round = 0; round < 10; round++) {
      state = afterOutcome(state, { kind: "Listed", resourceVersion: "7" });
      state = afterOutcome(state, { kind: "Gone" });
    }
    expect(delayBefore(state, "Gone", () => 0)).toBe(30_000);
  });

  test("never pauses longer than 30 s, and pauses after everything but a list, progress and a good end", () => {
    fc.assert(
      fc.property(fc.array(anyOutcome, { minLength: 1, maxLength: 40 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (outcomes, random) => {
        let state: WatchState = UNLISTED;
        for (const outcome of outcomes) {
          if (outcome.kind === "Progress" && state.next === "List") continue;
          state = afterOutcome(state, outcome);
          const delay = delayBefore(state, outcome.kind, () => random);
          expect(delay).toBeLessThanOrEqual(30_000);
          const isGood = outcome.kind === "Listed" || outcome.kind === "Progress" || (outcome.kind === "Ended" && outcome.livedMs >= 5000);
          if (!isGood) expect(delay).toBeGreaterThanOrEqual(500);
        }
      }),
    );
  });
});
