// SPDX-License-Identifier: Apache-2.0
// What the object files of a module define for one another, and which of them uses what of which.
import type { Imports } from "../../../tools/circles.ts";

export interface Symbols {
  /** Names that can be seen outside of their file, by file (`module/main.o`). */
  readonly defined: ReadonlyMap<string, readonly string[]>;
  /** Names that a file takes from elsewhere. */
  readonly used: ReadonlyMap<string, readonly string[]>;
}

/** Reads what `nm --print-file-name --extern-only --portability` prints: `FILE: NAME TYPE ...`, where the type U is *used*. */
export function symbolsIn(output: string): Symbols {
  const defined = new Map<string, string[]>();
  const used = new Map<string, string[]>();
  for (const [, file = "", name = "", type] of output.matchAll(/^(\S+\.o): (\S+) (\w)/gm)) {
    const names = type === "U" ? used : defined;
    names.set(file, [...(names.get(file) ?? []), name]);
  }
  return { defined, used };
}

/** Each file with the others whose names it uses. */
export function usesBetween({ defined, used }: Symbols): Imports {
  const home = new Map([...defined].flatMap(([file, names]) => names.map((name) => [name, file] as const)));
  const homesOf = (file: string): string[] => (used.get(file) ?? []).flatMap((name) => home.get(name) ?? []);
  return new Map([...defined.keys()].map((file) => [file, [...new Set(homesOf(file))]]));
}
