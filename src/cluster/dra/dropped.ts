// SPDX-License-Identifier: Apache-2.0
import { droppedFields } from "../../domain/dra/slices.ts";

/**
 * Fields that the API server is known not to keep, after it answered a write of `sent` with `kept`. A field that it kept this time is not among them
 * any more; one that was not sent says nothing. Pure.
 */
export function afterAnswer(known: ReadonlySet<string>, sent: object, kept: unknown): ReadonlySet<string> {
  const now = droppedFields(sent, kept);
  const all = droppedFields(sent, {});
  return new Set([...[...known].filter((field) => !all.includes(field)), ...now]);
}
