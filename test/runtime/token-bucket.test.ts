// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bucket, FULL_BUCKET, type Rate, taken, waitMs } from "../../src/runtime/token-bucket.ts";

const RATE: Rate = { burst: 3, everyMs: 5_000 };

/** Times at which it was done, of those at which it was wanted. */
function doneAt(wanted: readonly number[], rate: Rate): readonly number[] {
  let bucket: Bucket = FULL_BUCKET;
  return wanted.filter((nowMs) => {
    const isFree = waitMs(bucket, rate, nowMs) === 0;
    if (isFree) bucket = taken(bucket, rate, nowMs);
    return isFree;
  });
}

describe("a token bucket", () => {
  it("gives the burst at once, then one in each span", () => {
    const wanted = Array.from({ length: 200 }, (_, index) => index * 100);
    expect(doneAt(wanted, RATE)).toEqual([0, 100, 200, 5_000, 10_000, 15_000]);
  });

  it("says how long to wait, and it is free then", () => {
    const empty = [0, 0, 0].reduce<Bucket>((bucket, nowMs) => taken(bucket, RATE, nowMs), FULL_BUCKET);
    expect(waitMs(empty, RATE, 1_000)).toBe(4_000);
    expect(waitMs(empty, RATE, 5_000)).toBe(0);
  });

  it("leaves less for later when it is done out of turn, and no debt", () => {
    const over = [0, 0, 0, 0, 0].reduce<Bucket>((bucket, nowMs) => taken(bucket, RATE, nowMs), FULL_BUCKET);
    expect(waitMs(over, RATE, 0)).toBe(5_000);
  });

  it("never gives more than the burst and one for each span, whatever is wanted when", () => {
    const rates = fc.record({ burst: fc.integer({ min: 1, max: 5 }), everyMs: fc.integer({ min: 1, max: 10_000 }) });
    fc.assert(
      fc.property(rates, fc.array(fc.nat(60_000), { maxLength: 80 }), (rate, times) => {
        const done = doneAt(
          times.toSorted((a, b) => a - b),
          rate,
        );
        for (const [from, startMs] of done.entries())
          for (const [to, endMs] of done.entries())
            if (to >= from) expect(to - from + 1).toBeLessThanOrEqual(rate.burst + Math.floor((endMs - startMs) / rate.everyMs) + 1e-6);
      }),
    );
  });
});
