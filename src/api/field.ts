// SPDX-License-Identifier: Apache-2.0

/**
 * What a zod schema cannot say by itself about a field: its description, its fix, its list type and its CEL rules. A schema is made complete
 * by `field` (or `text`, for strings with a form), and the three readers (types, parse.ts, structural.ts) read the same schema.
 */
import * as z from "zod";

/** A part of a value that breaks a rule, relative to the field the rule belongs to. */
export interface Breach {
  readonly path: readonly (string | number)[];
  /** What to write instead. */
  readonly fix: string;
}

/** One rule, twice: as CEL for the API server and as a function for run-time parsing. Both must refuse the same values. */
export interface Rule {
  /** True when the value is good. */
  readonly cel: string;
  /** Used by the API server when `messageExpression` fails, and by tools that cannot evaluate it. */
  readonly message: string;
  /** CEL of a message that names the value; empty when `message` says it all. */
  readonly messageExpression: string;
  /** Every breach of the rule in `value`. Runs on unchecked input too, so it must tolerate any shape. */
  readonly breaches: (value: unknown) => Breach[];
}

/** How server-side apply merges a list. Atomic: order matters, or one writer owns it whole. */
export type ListKind = { readonly kind: "Map"; readonly keys: readonly string[] } | { readonly kind: "Set" } | { readonly kind: "Atomic" };

export interface Field {
  /** For `kubectl explain`: what it means, not what it is called. */
  readonly description: string;
  /** Completes "write …" when a value is missing or of the wrong type. */
  readonly instead?: string;
  readonly list?: ListKind;
  /** An object with one writer, who owns it whole: without an entry for each of its fields in managedFields. */
  readonly isWhole?: boolean;
  /** An object that other versions write and read too, with all below it: the CRD asks for no field and closes no list of words. */
  readonly isOpen?: boolean;
  readonly rules?: readonly Rule[];
}

/** Everything said by `field`, by schema. Filled while the schemas' modules load, constant afterwards. */
export const FIELDS = z.registry<Field>();

const always = (): boolean => true;

/** Attaches `about` to `schema` and makes its rules part of parsing. To be called before `.optional()`, `.nullable()` or `.default()`. */
export function field<T extends z.ZodType>(schema: T, about: Field): T {
  const unique = about.list?.kind === "Set" ? schema.superRefine(noRepeats, { when: always }) : schema;
  const ruled = (about.rules ?? []).reduce((current: T, rule) => withRule(current, rule), unique);
  FIELDS.add(ruled, about);
  return ruled;
}

/** What the API server does for a list of type set. */
function noRepeats(value: unknown, context: z.RefinementCtx): void {
  if (!Array.isArray(value)) return;
  for (const [index, entry] of value.entries()) {
    const first = value.indexOf(entry);
    if (first < index) context.addIssue({ code: "custom", path: [index], message: `remove it: entry ${first} says the same` });
  }
}

function withRule<T extends z.ZodType>(schema: T, rule: Rule): T {
  const check = (value: unknown, context: z.RefinementCtx): void => {
    for (const breach of rule.breaches(value)) context.addIssue({ code: "custom", path: [...breach.path], message: breach.fix });
  };
  // `when`: the rule runs although another part of the value is wrong, so that all problems come at once.
  return schema.superRefine(check, { when: always });
}

/** A string with a form. */
export interface TextForm {
  readonly pattern: RegExp;
  readonly maxLength: number;
  readonly description: string;
  /** The form in words, completing "write …". */
  readonly instead: string;
  /** The value the writer most probably meant; null when it cannot be told. */
  readonly suggest?: (value: string) => string | null;
  /** What a pattern cannot say. */
  readonly rules?: readonly Rule[];
}

/** A bounded string that must match `pattern`; the API server refuses it with the form in words. */
export function text(form: TextForm): z.ZodString {
  const fix = (value: unknown): string => {
    const meant = typeof value === "string" ? (form.suggest?.(value) ?? null) : null;
    return meant !== null && form.pattern.test(meant) ? `write ${JSON.stringify(meant)}` : `write ${form.instead}`;
  };
  const bounded = z.string().regex(form.pattern, { error: (issue) => fix(issue.input) });
  const schema = bounded.max(form.maxLength, { error: `write at most ${form.maxLength} characters: ${form.instead}` });
  const { description, instead } = form;
  return field(schema, { description, instead, rules: [formRule(form), ...(form.rules ?? [])] });
}

/** The pattern as a rule, for the API server: that a string does not match its schema's pattern it says by showing the regular expression. */
function formRule({ pattern, instead }: TextForm): Rule {
  return {
    cel: matchesCel(pattern),
    message: `write ${instead}`,
    messageExpression: `"'" + self + "': write " + ${celText(instead)}`,
    breaches: () => [],
  };
}

/** CEL: the string matches the pattern. */
export function matchesCel(pattern: RegExp): string {
  return `self.matches(${celText(patternText(pattern))})`;
}

/** A CEL string literal. CEL and JSON escape the characters we use alike. */
export function celText(value: string): string {
  return JSON.stringify(value);
}

/** A pattern as RE2 (API server) and ECMA 262 (zod) both read it: no flags, and no slash escaped. */
export function patternText(pattern: RegExp): string {
  return pattern.source.replaceAll("\\/", "/");
}
