// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { MUTANTS } from "./mutants.ts";
import type { MutantResult } from "./mutation-run.ts";

const RUNNER = fileURLToPath(new URL("./mutation-run.ts", import.meta.url));
const SHARES = Math.min(4, availableParallelism());
/** Ten minutes of two cores, when nothing else runs. */
const DEADLINE_MS = 2_700_000;

/** In processes of their own: the agent is loaded once for each mutant. */
async function runAll(): Promise<readonly MutantResult[]> {
  const runs = Array.from({ length: SHARES }, (_, share) => runShare(share));
  return (await Promise.all(runs)).flat();
}

async function runShare(share: number): Promise<readonly MutantResult[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [RUNNER, "--share", `${share}/${SHARES}`], { maxBuffer: 16 * 1024 * 1024 });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): MutantResult => JSON.parse(line));
}

test("an agent with any one rule taken out breaks an invariant, and the whole one breaks none", { timeout: DEADLINE_MS }, async () => {
  const results = new Map((await runAll()).map((result) => [result.name, result]));
  const survivors = MUTANTS.filter(({ name }) => results.get(name)?.caughtBy === "").map(({ name }) => name);
  console.log(`${MUTANTS.length} mutants, ${MUTANTS.length - survivors.length} caught`);
  expect(results.get("nothing")).toMatchObject({ caughtBy: "" });
  expect(new Set(results.keys())).toEqual(new Set(["nothing", ...MUTANTS.map(({ name }) => name)]));
  expect(survivors.join("\n")).toBe("");
});
