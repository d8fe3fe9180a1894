// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { circlesIn, importsIn, readImports } from "../../tools/circles.ts";

const ROOT = join(import.meta.dirname, "../..");

test("no files import one another in a circle, not for a type either", () => {
  const imports = readImports(ROOT, ["src", "test", "e2e", "bench", "tools"]);
  expect(imports.get("tools/build.ts")).toContain("tools/load-rules.ts");
  expect(circlesIn(imports)).toEqual([]);
});

describe("a circle", () => {
  const graph = (edges: Record<string, string[]>): ReadonlyMap<string, string[]> => new Map(Object.entries(edges));

  test("is found once, with all its files, however long it is", () => {
    const imports = graph({ start: ["b"], b: ["c"], c: ["a", "leaf"], a: ["b"], leaf: [], d: ["e"], e: ["d"], own: ["own"] });
    expect(circlesIn(imports)).toEqual([["a", "b", "c"], ["d", "e"], ["own"]]);
  });

  test("is not a way that two files share", () => {
    expect(circlesIn(graph({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] }))).toEqual([]);
  });

  test("is made of imports of values and of types, of exports and of bare imports, over several lines too", () => {
    const text = [
      'import { a } from "./a.ts";',
      'import type { B } from "../b.ts";',
      'export type { C } from "./c.ts";',
      'import {\n  d,\n  type E,\n} from "./d.ts";',
      'import "./e.ts";',
      'import { readFileSync } from "node:fs";',
      'const late = await import("./late.ts");',
      'export const text = "from ./no.ts";',
    ].join("\n");
    expect(importsIn(text)).toEqual(["./a.ts", "../b.ts", "./c.ts", "./d.ts", "./e.ts"]);
  });
});
