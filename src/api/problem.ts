// SPDX-License-Identifier: Apache-2.0

/** One thing wrong with an input: where, what stands there, and what to write instead. */
export interface Problem {
  /** `spec.resources[1].name`; empty for the whole document. */
  readonly path: string;
  /** As written, shortened; `(missing)` when nothing stands there. */
  readonly value: string;
  /** Starts with a verb. */
  readonly fix: string;
}

/** The outcome of reading an input: the value, or everything that is wrong with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] };

/** A field's path as people write it: `["spec", "resources", 1, "name"]` is `spec.resources[1].name`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const name = String(part);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

const SHOWN_CHARACTERS = 120;

/** A value as it stands in a message: JSON, cut to one line's length. */
export function valueText(value: unknown): string {
  if (value === undefined) return "(missing)";
  const json = JSON.stringify(value) ?? String(value);
  return json.length <= SHOWN_CHARACTERS ? json : `${json.slice(0, SHOWN_CHARACTERS)}…`;
}

/** All problems in one line each, for a status or a terminal. */
export function problemsText(problems: readonly Problem[]): string {
  return problems.map(({ path, value, fix }) => `${path === "" ? "document" : path} is ${value}: ${fix}`).join("\n");
}

/** The name in `known` that `name` was most probably meant to be; null when none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.candidate ?? null;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substituted = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substituted, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
