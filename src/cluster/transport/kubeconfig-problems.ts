// SPDX-License-Identifier: Apache-2.0

/** From the schemas of kubeconfig-check.ts to places and fixes, without the values. */
import * as z from "zod";
import { unknownFieldFix } from "../../api/problems-of.ts";

export type Plain = Readonly<Record<string, unknown>>;

/** Everything wrong with `holder`, which stands at `place` in the file: `users[admin].user.as-uid: remove it, …`. */
export function problemsIn(schema: z.ZodType, holder: Plain, place: string): readonly string[] {
  const { error } = schema.safeParse(holder);
  return (error?.issues ?? []).flatMap((issue) => {
    const at = (name = ""): string => [place, ...issue.path, name].filter((part) => part !== "").join(".");
    if (issue.code !== "unrecognized_keys") return [`${at()}: ${issue.message}`];
    return issue.keys.map((name) => `${at(name)}: ${unknownFieldFix(name, fieldsAt(schema, issue.path))}`);
  });
}

function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const inner = schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;
  if (!(inner instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined ? Object.keys(inner.shape) : fieldsAt(inner.shape[String(first)] as z.ZodType, rest);
}

/** As Go reads it, where an absent field and an empty one are the same. */
export function withoutEmpty(value: unknown): unknown {
  if (!isPlain(value)) return value;
  const isEmpty = (member: unknown): boolean =>
    member === null || member === "" || (typeof member === "object" && Object.keys(member ?? {}).length === 0);
  const kept = Object.entries(value).map(([name, member]) => [name, withoutEmpty(member)] as const);
  return Object.fromEntries(kept.filter(([, member]) => !isEmpty(member)));
}

export function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
