// SPDX-License-Identifier: Apache-2.0
/** What is known of one setting, as data, and how one is written down. */
import * as z from "zod";

/** What a value is: `path` is resolved (flags from the working folder, the config file's from its own), `choice` is one of a few words. */
export type SettingKind = "path" | "choice" | "number" | "name" | "address";

/** One setting of the agent: a flag and a key of the config file with the same meaning. */
export interface Setting {
  readonly schema: z.ZodType;
  readonly kind: SettingKind;
  /** As commander takes it. */
  readonly flag: string;
  /** What it is for, without the default. */
  readonly description: string;
  /** What to write instead of a wrong value; starts with a verb. */
  readonly fix: string;
  /** On a real node when nothing else is said; null: none. */
  readonly default: string | number | null;
  /** When the default is another one, or what happens without one; empty when there is nothing to say. */
  readonly otherwise: string;
  /** Of a number: `seconds`. */
  readonly unit: string;
  /** The words of a choice; with some kinds, words beside other values. */
  readonly choices: readonly string[];
  /** Also read from this environment variable, after flag and file. */
  readonly variable: string;
}

/** File names. A NUL would end one early in the kernel; Node refuses it with an error of its own. */
const text = z.string().regex(/^[^\0]+$/);

type Words = Pick<Setting, "flag" | "description" | "fix">;
type More = Partial<Pick<Setting, "otherwise" | "unit" | "choices" | "variable">>;

export const NOTHING_MORE = { otherwise: "", unit: "", choices: [], variable: "" } as const;

export function path<D extends string | null>(words: Words & More, defaultValue: D) {
  return { ...NOTHING_MORE, schema: text, kind: "path" as const, ...words, default: defaultValue };
}

export function choice<const C extends readonly string[], D extends C[number] | null>(choices: C, words: Words & More, defaultValue: D) {
  return { ...NOTHING_MORE, schema: z.enum(choices), kind: "choice" as const, ...words, choices, default: defaultValue };
}

/** What --help says: what it is for, and the default. */
export function helpText({ description, default: value, otherwise, unit }: Setting): string {
  const first = value === null ? "" : `${value}${unit === "" ? "" : ` ${unit}`}`;
  const known = [first, otherwise].filter((part) => part !== "").join("; ");
  return known === "" ? description : `${description} (default: ${known})`;
}
