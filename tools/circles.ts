// SPDX-License-Identifier: Apache-2.0

/** Finds files that import one another in a circle. Imports of types count too: the linter passes those, and a reader does not. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Each file with the files that it imports, all relative to one folder. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** Imports and exports from a path that begins with a dot, as the formatter leaves them: at the beginning of a line. */
const IMPORT = /^(?:import|export)\b[^;]*?\bfrom "(\.[^"]+)"|^import "(\.[^"]+)"/gm;

/** The relative imports that `text` makes by statement, as they are written. `import()` is left out: it is how a circle of loading is avoided. */
export function importsIn(text: string): readonly string[] {
  return [...text.matchAll(IMPORT)].map(([, from, alone]) => from ?? alone ?? "");
}

/** The imports of every TypeScript file below the named folders of `root`. */
export function readImports(root: string, folders: readonly string[]): Imports {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
  return new Map(files.map((file) => [file, importsIn(readFileSync(join(root, file), "utf8")).map((path) => join(dirname(file), path))]));
}

/** The largest sets of files that all lead to one another, each sorted, in the order of their first file. */
export function circlesIn(imports: Imports): readonly (readonly string[])[] {
  const reached = new Map([...imports.keys()].map((file) => [file, reachedFrom(file, imports)]));
  const leads = (from: string, to: string): boolean => reached.get(from)?.has(to) === true;
  const circles = new Map<string, readonly string[]>();
  for (const file of imports.keys()) {
    if (!leads(file, file)) continue;
    const circle = [...imports.keys()].filter((other) => leads(file, other) && leads(other, file)).sort();
    circles.set(circle[0] ?? "", circle);
  }
  return [...circles.values()].sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
}

function reachedFrom(start: string, imports: Imports): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = [start];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const next of imports.get(file) ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      waiting.push(next);
    }
  }
  return reached;
}
