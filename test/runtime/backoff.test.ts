// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffDelayMs, noJitter } from "../../src/runtime/backoff.ts";

test("the delay doubles from the minimum to the maximum", () => {
  const policy = { minMs: 100, maxMs: 1000, jitter: 0.5 };
  expect([0, 1, 2, 3, 4, 5, 1e9].map((attempt) => backoffDelayMs(policy, attempt, noJitter))).toEqual([0, 100, 200, 400, 800, 1000, 1000]);
});

test("jitter takes away at most its share and never adds", () => {
  fc.assert(
    fc.property(
      fc.nat(200),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (n, random, jitter) => {
        const policy = { minMs: 50, maxMs: 30_000, jitter };
        const full = backoffDelayMs(policy, n, noJitter);
        const delay = backoffDelayMs(policy, n, () => random);
        expect(delay).toBeLessThanOrEqual(full);
        expect(delay).toBeGreaterThanOrEqual(full * (1 - jitter) - 1e-9);
      },
    ),
  );
});
