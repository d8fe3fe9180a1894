// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { anchorOf } from "../../tools/documents/markdown.ts";
import { isInTree, mentionsIn } from "../../tools/documents/mentions.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILES = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(ROOT, file)));
const textOf = (file: string): string => readFileSync(join(ROOT, file), "utf8");

test("every file that a comment or a document names is in the tree", () => {
  const readers = FILES.filter((file) => /\.(ts|mjs|c|h|md)$/.test(file) && file !== "CHANGELOG.md");
  const missing = readers.flatMap((file) =>
    mentionsIn(file, textOf(file))
      .filter((name) => !isInTree(name, FILES))
      .map((name) => `${file}: ${name}`),
  );
  expect(missing).toEqual([]);
});

test("every relative link of a document leads to a file", () => {
  const links = FILES.filter((file) => file.endsWith(".md")).flatMap((file) =>
    [...textOf(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => ({ file, target })),
  );
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter(({ file, target }) => !existsSync(join(ROOT, dirname(file), target)))).toEqual([]);
});

test("every anchor of a link is a heading of its document", () => {
  const links = FILES.filter((file) => file.endsWith(".md")).flatMap((file) =>
    [...textOf(file).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)/g)].map(([, target = "", anchor = ""]) => ({
      file,
      target: target === "" ? file : join(dirname(file), target),
      anchor,
    })),
  );
  expect(links.length).toBeGreaterThan(2);
  const isThere = ({ target, anchor }: { readonly target: string; readonly anchor: string }): boolean =>
    textOf(target)
      .split("\n")
      .some((line) => /^#+ /.test(line) && anchorOf(line.replace(/^#+ /, "")) === anchor);
  expect(links.filter((link) => !isThere(link))).toEqual([]);
});

test("every document in docs/ is linked from another document", () => {
  const linked = new Set(
    FILES.filter((file) => file.endsWith(".md")).flatMap((file) =>
      [...textOf(file).matchAll(/\]\(([^)#\s:]+\.md)/g)].map(([, target = ""]) => join(dirname(file), target)),
    ),
  );
  expect(FILES.filter((file) => /^docs\/.*\.md$/.test(file) && !linked.has(file))).toEqual([]);
});

test("the names are found in comments, not in code", () => {
  const text = '/** See memory.ts and `domain/unit.ts`. */\nimport { a } from "./gone.ts"; // of unit.ts\nconst url = "https://x.ts";';
  expect(mentionsIn("a.ts", text)).toEqual(["memory.ts", "domain/unit.ts", "unit.ts"]);
  expect(mentionsIn("a.md", "`src/x.ts` and CHANGELOG.md")).toEqual(["src/x.ts", "CHANGELOG.md"]);
});
