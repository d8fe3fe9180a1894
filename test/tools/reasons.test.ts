// SPDX-License-Identifier: Apache-2.0

/** docs/reasons.md has a section with advice for each reason, and every link inside the page leads to one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CONDITION_TYPES } from "../../src/domain/reason.ts";
import { withBlock } from "../../tools/documents/blocks.ts";
import { anchorOf } from "../../tools/documents/markdown.ts";
import { headingOf, REASON_LISTS } from "../../tools/documents/reason-blocks.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/reasons.md"), "utf8");
const headings = [...page.matchAll(/^### (.+)$/gm)].map((found) => found[1] ?? "");

test("each reason and each condition has one section", () => {
  const reasons = Object.values(REASON_LISTS).flatMap((list) => Object.keys(list.meanings).map((reason) => headingOf(list, reason)));
  const conditions = CONDITION_TYPES.map((type) => `Condition: ${type}`);
  expect([...headings].sort()).toEqual([...reasons, ...conditions].sort());
});

test("each reason says what to do", () => {
  for (const { meanings, advice } of Object.values(REASON_LISTS))
    for (const reason of Object.keys(meanings)) expect(advice[reason]?.trim(), reason).toMatch(/\S.*\.$/);
});

test("each link inside the page leads to a section", () => {
  const anchors = new Set(headings.map(anchorOf));
  const targets = [...page.matchAll(/\]\(#([^)]+)\)/g)].map((found) => found[1] ?? "");
  expect(targets.length).toBeGreaterThan(0);
  expect(targets.filter((target) => !anchors.has(target))).toEqual([]);
});

test("a block that is missing, or there twice, is refused", () => {
  const block = "<!-- begin generated: a -->\n<!-- end generated: a -->\n";
  expect(withBlock(`x\n${block}y\n`, "a", "new")).toBe("x\n<!-- begin generated: a -->\n\nnew\n\n<!-- end generated: a -->\ny\n");
  expect(() => withBlock("x\n", "a", "new")).toThrow("once");
  expect(() => withBlock(block + block, "a", "new")).toThrow("once");
});
