// SPDX-License-Identifier: Apache-2.0
import { Run } from "./history.ts";
import { PLAIN, type WorldShape } from "./shape.ts";
import type { Step } from "./steps.ts";

/** A short history with a point: each is about one thing that random ones seldom do. */
export interface Scenario {
  readonly name: string;
  readonly shape: Partial<WorldShape>;
  readonly steps: readonly Step[];
}

export const SCENARIOS: readonly Scenario[] = [];

/** What broke; empty when all is well. */
export async function runScenario({ shape, steps }: Scenario): Promise<readonly string[]> {
  const run = new Run({ ...PLAIN, ...shape }, null);
  for (const step of steps) await run.take(step);
  await run.end();
  return run.violations;
}
