// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const FILES = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" })
  .split("\n")
  .filter((file) => existsSync(join(ROOT, file)));
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** Folders whose folders are on the map, too. */
const PARTED = ["src", "native", "e2e"];
/** Made by the scripts. */
const MADE = ["dist"];
/** What every repository has. */
const ORDINARY = [".ci", ".github", "LICENSES", "docs"];

const foldersIn = (folder: string): readonly string[] => {
  const prefix = folder === "" ? "" : `${folder}/`;
  const inside = FILES.filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length).split("/"));
  return [...new Set(inside.filter((parts) => parts.length > 1).map(([first = ""]) => prefix + first))].sort();
};

/** Paths of the map of ARCHITECTURE.md: one a line, indented below its folder; several side by side, or in the text of a line that names them. */
function mapped(): readonly string[] {
  const [, map = ""] = /## The map\n\n```text\n([\s\S]*?)```/.exec(read("ARCHITECTURE.md")) ?? [];
  let parent = "";
  return map.split("\n").flatMap((line) => {
    const isInside = line.startsWith("  ");
    const names = [...line.matchAll(/(?<![\w/.])([\w.-]+)\/(?=[\s,:;)]|$)/g)].map(([, name = ""]) => name);
    if (!isInside && names.length > 0) parent = names[0] ?? "";
    return isInside ? names.map((name) => `${parent}/${name}`) : names;
  });
}

test("the map of ARCHITECTURE.md has every folder of the tree", () => {
  const wanted = [...foldersIn("").filter((name) => !ORDINARY.includes(name)), ...PARTED.flatMap(foldersIn)];
  const known = new Set(mapped());
  expect(wanted.filter((folder) => !known.has(folder) && !read("ARCHITECTURE.md").includes(`${folder}/`))).toEqual([]);
});

test("the map of ARCHITECTURE.md names no folder that is gone", () => {
  const folders = FILES.flatMap((file) =>
    file
      .split("/")
      .slice(0, -1)
      .map((_, at, parts) => parts.slice(0, at + 1).join("/")),
  );
  const all = new Set(folders);
  // A line says where parts of a folder are: cluster/ of src has transport/, and so on.
  const isThere = (path: string): boolean => all.has(path) || [...all].some((folder) => folder.endsWith(`/${path.split("/").at(-1)}`));
  expect(mapped().filter((path) => !isThere(path) && !MADE.includes(path))).toEqual([]);
});

test("CONTRIBUTING.md has every script that people call", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const called = Object.keys(scripts).filter((name) => !name.startsWith("pre"));
  const listed = [...read("CONTRIBUTING.md").matchAll(/^\| `npm (?:run )?([\w:]+)/gm)].map(([, name = ""]) => name);
  expect([...listed].sort()).toEqual([...called].sort());
});
