// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { worldEnvironment } from "./environment.ts";
import { runHistory, STEPS_IN_A_HISTORY } from "./history.ts";
import { explainFailure } from "./shrink.ts";
import { Tally } from "./tally.ts";

const { seed: one, histories } = worldEnvironment();
const FIRST_SEED = 1;
/** About fifteen seconds of one core; the soak runs a hundred thousand. */
const HISTORIES = 800;

describe("the whole agent in a simulated world", () => {
  test("keeps the invariants in random histories, and comes to rest as wanted after each", async () => {
    const tally = new Tally();
    const last = FIRST_SEED + (histories ?? HISTORIES);
    for (let seed = FIRST_SEED; seed < last; seed += 1) {
      const { steps, violations } = await runHistory(seed, tally);
      if (violations.length > 0) expect.fail(await explainFailure(seed, violations));
      expect(steps.length).toBe(STEPS_IN_A_HISTORY);
    }
    console.log(tally.lines().join("\n"));
    expect(tally.missing()).toEqual([]);
  });

  // Only when a seed is given: nothing is skipped otherwise.
  if (one !== null)
    test("keeps the invariants in the history of WORLD_SEED", async () => {
      const { violations } = await runHistory(one);
      if (violations.length > 0) expect.fail(await explainFailure(one ?? 0, violations));
    });

  test("goes the same way again from the same seed", async () => {
    const first = await runHistory(4711);
    const second = await runHistory(4711);
    expect(second).toEqual(first);
  });
});
