// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { edited, placesOf } from "./edits.ts";
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

test("every mutant edits what is there, once", () => {
  const broken = MUTANTS.flatMap(({ name, edits }) =>
    edits
      .filter(({ file, find }) => placesOf(readFileSync(new URL(`../../../src/${file}`, import.meta.url), "utf8"), find).length !== 1)
      .map(({ file, find }) => `${name}: ${file} does not have once: ${find}`),
  );
  expect(broken).toEqual([]);
});

test("an edit finds its place however the source is formatted, and says so when it does not", () => {
  const edit = { file: "a.ts", find: "f(a, b) + 1", replace: "2" };
  expect(edited("x = f(\n  a,\n  b,\n) + 1;", edit)).toBe("x = 2;");
  expect(() => edited("f(a, b) + 1; f(a,b)+1", edit)).toThrow("occurs 2 times in a.ts");
  expect(() => edited("f(a, c) + 1", edit)).toThrow("occurs 0 times in a.ts");
});

test("an agent with any one rule taken out breaks an invariant, and the whole one breaks none", () => {
  const [whole, ...mutants] = runAll();
  const survivors = mutants.filter((mutant) => mutant.caughtBy === "").map((mutant) => mutant.name);
  console.log(`${mutants.length} mutants, ${mutants.length - survivors.length} caught`);
  expect(whole).toMatchObject({ caughtBy: "" });
  expect(mutants.map((mutant) => mutant.name)).toEqual(MUTANTS.map((mutant) => mutant.name));
  expect(survivors).toEqual([]);
});
