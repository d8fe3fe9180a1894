// SPDX-License-Identifier: Apache-2.0

/**
 * Reads a status that another version of the agent wrote: fields that this version does not know are left out, and so is every entry of a list that
 * it cannot read whole. What is left out proves nothing, which is the safe side: a device that is not in the status is not vouched for.
 */
import type * as z from "zod";
import type { NodeStatus } from "../domain/status.ts";
import { statusSchema } from "./status.ts";

const LISTS: ReadonlySet<PropertyKey> = new Set(["units", "otherUnits", "devices", "conditions"]);

/** Null when something outside the lists is unreadable. */
export function parseStatus(given: unknown): NodeStatus | null {
  if (typeof given !== "object" || given === null) return null;
  // Earlier versions did not write it.
  const value = { otherUnits: [], ...given };
  const first = statusSchema.safeParse(value);
  if (first.success) return first.data;
  const copy: unknown = structuredClone(value);
  const broken = new Map<unknown[], Set<number>>();
  for (const issue of first.error.issues) if (!repair(copy, issue, broken)) return null;
  for (const [list, indexes] of broken) list.splice(0, list.length, ...list.filter((_, index) => !indexes.has(index)));
  const second = statusSchema.safeParse(copy);
  return second.success ? second.data : null;
}

function repair(copy: unknown, issue: z.core.$ZodIssue, broken: Map<unknown[], Set<number>>): boolean {
  if (issue.code === "unrecognized_keys") {
    const holder = issue.path.reduce<unknown>((at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined), copy);
    if (typeof holder !== "object" || holder === null) return false;
    for (const key of issue.keys) Reflect.deleteProperty(holder, key);
    return true;
  }
  const [name, index] = issue.path;
  const list: unknown = name !== undefined && LISTS.has(name) ? Reflect.get(copy as object, name) : undefined;
  if (!Array.isArray(list) || typeof index !== "number") return false;
  broken.set(list, (broken.get(list) ?? new Set()).add(index));
  return true;
}
