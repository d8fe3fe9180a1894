// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { runScenario, SCENARIOS } from "./scenarios.ts";

test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s", async (_name, scenario) => {
  expect(await runScenario(scenario)).toEqual([]);
});
