// SPDX-License-Identifier: Apache-2.0

/** Runs with the pure tests: whoever changes a line that a mutant edits is told before the commit. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { edited, placesOf } from "./edits.ts";
import { MUTANTS } from "./mutants.ts";

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
