// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { MUTANTS } from "./mutants.ts";
import type { MutantResult } from "./mutation-run.ts";

const RUNNER = fileURLToPath(new URL("./mutation-run.ts", import.meta.url));

/** In a process of its own: it loads the agent once for each mutant. */
function runAll(): readonly MutantResult[] {
  const output = execFileSync(process.execPath, [RUNNER], { encoding: "utf8", maxBuffer: 16 * 1024 * 1024 });
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line): MutantResult => JSON.parse(line));
}

test("an agent with any one rule taken out breaks an invariant, and the whole one breaks none", () => {
  const [whole, ...mutants] = runAll();
  const survivors = mutants.filter((mutant) => mutant.caughtBy === "").map((mutant) => mutant.name);
  console.log(`${mutants.length} mutants, ${mutants.length - survivors.length} caught`);
  expect(whole).toMatchObject({ caughtBy: "" });
  expect(mutants.map((mutant) => mutant.name)).toEqual(MUTANTS.map((mutant) => mutant.name));
  expect(survivors).toEqual([]);
});
