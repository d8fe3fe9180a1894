// SPDX-License-Identifier: Apache-2.0

import type { Step } from "../steps/steps.ts";
import { replay, runHistory, shapeOf } from "./history.ts";

/** The same complaint, whatever the numbers in it. */
function kindOf(violation: string | undefined): string {
  return (violation ?? "").replace(/^\d+ ms, agent \d+: /, "").replace(/0x[0-9a-f]+|\d{4}:\d\d:\d\d\.\d|pod-\d+|teeio\.dev\/\w+|\d+/g, "*");
}

/** A shorter history with the same first violation: steps are dropped, large parts first, as long as it stays. */
export async function shrink(seed: number): Promise<readonly Step[]> {
  const { steps: all, violations } = await runHistory(seed);
  const shape = shapeOf(seed);
  const wanted = kindOf(violations[0]);
  let steps: readonly Step[] = all;
  for (let size = 64; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < steps.length; ) {
      const shorter = [...steps.slice(0, at), ...steps.slice(at + size)];
      if (kindOf((await replay(shape, shorter))[0]) === wanted) steps = shorter;
      else at += size;
    }
  }
  return steps;
}

/** What a person needs to see and repeat a violation. */
export async function explainFailure(seed: number, violations: readonly string[]): Promise<string> {
  const steps = await shrink(seed);
  return [
    `seed ${seed} breaks an invariant:`,
    ...violations.slice(0, 3).map((violation) => `  ${violation}`),
    `in this node: ${JSON.stringify(shapeOf(seed))}`,
    `after ${steps.length} steps:`,
    ...steps.map((step) => `  ${step.kind} ${JSON.stringify(step.args)} then ${step.flow}`),
    `run it again: WORLD_SEED=${seed} npx vitest run --project world test/world/runs/histories.test.ts`,
  ].join("\n");
}
