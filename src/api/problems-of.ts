// SPDX-License-Identifier: Apache-2.0
import * as z from "zod";
import { FIELDS } from "./field.ts";
import { nearest, type Parsed, type Problem, pathText, valueText } from "./problem.ts";

type Issue = z.core.$ZodIssue;
type Type = z.core.$ZodType;

/** Where `value` stands in its document: `["spec"]`. The source of a scalar is shown instead of what YAML made of it (0302 is the number 302). */
export interface Place {
  readonly path: readonly PropertyKey[];
  /** The scalar as written, null when unknown. */
  readonly source: (path: readonly PropertyKey[]) => string | null;
}

/** Parses `value` by `schema`; every problem at once, each with its path, value and fix. */
export function parsedBy<T extends z.ZodType>(schema: T, value: unknown, place: Place): Parsed<z.output<T>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, { schema, value, place }));
  return { ok: false, problems: problems.filter(isFirstOfItsPath) };
}

/** A value that breaks its form in two ways needs one fix: the first, which names the value that was meant. */
function isFirstOfItsPath(problem: Problem, index: number, all: readonly Problem[]): boolean {
  return all.findIndex(({ path }) => path === problem.path) === index;
}

interface Context {
  readonly schema: Type;
  readonly value: unknown;
  readonly place: Place;
}

function problemsOf(issue: Issue, { schema, value, place }: Context): Problem[] {
  const whole = [...place.path, ...issue.path];
  const found = valueAt(value, issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = memberNames(schemaAt(schema, issue.path));
    return issue.keys.map((key) => ({
      path: pathText([...whole, key]),
      value: valueText(valueAt(found, [key])),
      fix: unknownFieldFix(key, known),
    }));
  }
  const source = typeof found === "number" ? place.source(whole) : null;
  return [{ path: pathText(whole), value: source ?? valueText(found), fix: fixOf(issue, { schema, found, source }) }];
}

/** What to do about a field that the schema does not know. */
export function unknownFieldFix(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === null ? `remove it: the fields here are ${known.join(", ")}` : `write ${meant}, or remove it: there is no field ${name}`;
}

function fixOf(issue: Issue, at: { schema: Type; found: unknown; source: string | null }): string {
  const target = schemaAt(at.schema, issue.path);
  // YAML reads 8086 and 0302 as numbers, and 0xfed90000 too: the text between quotes is what was meant.
  if (issue.code === "invalid_type" && issue.expected === "string" && at.found !== undefined) return quoteFix(target, at);
  if (issue.code === "custom" || (issue.code === "invalid_format" && issue.format === "regex")) return issue.message;
  const instead = aboutOf(target)?.instead ?? null;
  if (issue.code === "too_big") return `write at most ${issue.maximum}${issue.origin === "array" ? " entries" : ""}`;
  if (instead !== null) return `write ${instead}`;
  return issue.message;
}

/** What was written, in quotes, where that is taken; else what is to be written instead of it. */
function quoteFix(target: Type | null, { found, source }: { found: unknown; source: string | null }): string {
  if (typeof found !== "number") return "write text in quotes";
  const text = source ?? String(found);
  const parsed = target === null ? null : z.safeParse(target, text);
  const [issue] = parsed?.error?.issues ?? [];
  return target === null || issue === undefined ? `put it in quotes: "${text}"` : fixOf(issue, { schema: target, found: text, source: null });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((current, key) => (typeof current === "object" && current !== null ? Reflect.get(current, key) : undefined), value);
}

function unwrap(schema: Type): Type {
  const inner = "innerType" in schema._zod.def ? (schema._zod.def.innerType as Type) : null; // Wrappers only; the public type hides it.
  return inner === null ? schema : unwrap(inner);
}

function aboutOf(schema: Type | null): { instead?: string } | undefined {
  return schema === null ? undefined : FIELDS.get(schema as z.ZodType);
}

function schemaAt(schema: Type, path: readonly PropertyKey[]): Type | null {
  return path.reduce<Type | null>((current, key) => (current === null ? null : member(current, key)), unwrap(schema));
}

function member(schema: Type, key: PropertyKey): Type | null {
  const def = schema._zod.def as { shape?: Record<PropertyKey, Type>; element?: Type; valueType?: Type }; // Hidden by the public type.
  const found = def.shape?.[key] ?? def.element ?? def.valueType;
  return found === undefined ? null : unwrap(found);
}

function memberNames(schema: Type | null): string[] {
  const shape = schema === null ? null : (schema._zod.def as { shape?: object }).shape; // Hidden by the public type.
  return Object.keys(shape ?? {});
}
