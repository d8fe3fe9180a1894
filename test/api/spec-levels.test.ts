// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { specSchema } from "../../src/api/spec.ts";
import { SPEC_LEVEL, SPEC_LEVELS } from "../../src/api/spec-levels.ts";
import { toStructural } from "../../src/api/structural.ts";
import { baseline } from "./baseline.ts";

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

/** Paths of all fields below, as SPEC_LEVELS writes them. */
function fieldsOf(node: Node, path = ""): readonly string[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([name, member]) => {
    const at = path === "" ? name : `${path}.${name}`;
    return [at, ...fieldsOf(member, at)];
  });
  return [...own, ...(node.items ? fieldsOf(node.items, `${path}[]`) : [])];
}

test("every field of the spec has a level, and nothing else has", () => {
  expect(Object.keys(SPEC_LEVELS).sort()).toEqual([...fieldsOf(toStructural(specSchema, "spec") as Node)].sort());
});

test("the fields of the first release are level 1, and a later field has a higher one", () => {
  const first = new Set(fieldsOf(baseline().spec as Node));
  for (const [field, level] of Object.entries(SPEC_LEVELS)) expect([field, level === 1]).toEqual([field, first.has(field)]);
  expect(SPEC_LEVEL).toBe(Math.max(...Object.values(SPEC_LEVELS)));
});
