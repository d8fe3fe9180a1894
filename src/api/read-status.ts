// SPDX-License-Identifier: Apache-2.0

/**
 * Reads a status that another version of the agent may have written: fields that this version does not know are left out, fields that are missing
 * have the value that says nothing, and words that it does not know are kept as they are. An entry of a list that cannot be read is left out, which is
 * the safe side: a device that is not in the status is not offered.
 */
import * as z from "zod";
import type { ReadStatus } from "../domain/status.ts";
import { FIELDS } from "./field.ts";
import { statusSchema } from "./status.ts";

type Def = z.core.$ZodTypeDef & Readonly<Record<string, unknown>>;

const reader = readerOf(statusSchema) as z.ZodType<ReadStatus>;

/** Null when it cannot be told what it says. */
export function parseStatus(given: unknown): ReadStatus | null {
  // An object without a status says nothing.
  if (typeof given !== "object" || given === null || Object.keys(given).length === 0) return null;
  const read = reader.safeParse(given);
  return read.success ? read.data : null;
}

/** The same schema, open. */
function readerOf(schema: z.core.$ZodType): z.ZodType {
  const def = schema._zod.def as Def; // The public type hides the members of each kind.
  switch (def.type) {
    case "nullable":
      return readerOf(def["innerType"] as z.core.$ZodType)
        .nullable()
        .default(null);
    case "object":
      return objectReader(def["shape"] as Record<string, z.core.$ZodType>).prefault({});
    case "array":
      return listReader(schema as z.ZodType, def["element"] as z.core.$ZodType);
    case "number":
      return z.number().default(0);
    case "boolean":
      return z.boolean().default(false);
    default:
      return z.string().default("");
  }
}

function objectReader(shape: Readonly<Record<string, z.core.$ZodType>>): z.ZodObject {
  return z.object(Object.fromEntries(Object.entries(shape).map(([name, member]) => [name, readerOf(member)])));
}

/** An entry without the key that names it names nothing. */
function listReader(list: z.ZodType, element: z.core.$ZodType): z.ZodType {
  const kind = FIELDS.get(list)?.list;
  const keys = kind?.kind === "Map" ? kind.keys : [];
  const named = z.looseObject(Object.fromEntries(keys.map((key) => [key, z.string().min(1)])));
  const entry = readerOf(element);
  const whole = (given: unknown): readonly unknown[] => {
    const read = entry.safeParse(given);
    return named.safeParse(given).success && read.success ? [read.data] : [];
  };
  return z
    .array(z.unknown())
    .default([])
    .transform((entries) => entries.flatMap(whole));
}
