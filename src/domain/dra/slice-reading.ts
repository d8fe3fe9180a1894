// SPDX-License-Identifier: Apache-2.0

/** What slices of ours say, as the API server shows them: plain JSON that anybody with the right to may have written. Pure. */
import { addressOfDraDevice } from "./names.ts";
import type { DeviceTaint } from "./pool.ts";
import { leftOut, OPTIONAL_FIELDS, type SliceSpec, STREAMS_COUNTER, wholeSecond } from "./slice-spec.ts";
import type { ListedDevice } from "./view.ts";

/** A slice of our driver and of this node. */
export interface SeenSlice {
  readonly name: string;
  readonly resourceVersion: string;
  readonly uid: string;
  readonly pool: string;
  readonly generation: number;
  readonly sliceCount: number;
  /** The whole spec as the server shows it. */
  readonly spec: unknown;
}

/** Every device of every slice, of whatever generation: what a scheduler may still give away. The newest generation of a pool comes first. */
export function listedIn(seen: readonly SeenSlice[]): readonly ListedDevice[] {
  const newest = [...seen].sort((a, b) => b.generation - a.generation);
  return newest.flatMap(({ pool, spec }) =>
    listOf(fieldOf(spec, "devices")).flatMap((device): readonly ListedDevice[] => {
      const address = addressOfDraDevice(textOf(fieldOf(device, "name")));
      return address === null ? [] : [{ address, pool, taints: listOf(fieldOf(device, "taints")).map(taintOf), streams: streamsTaken(device) }];
    }),
  );
}

function taintOf(taint: unknown): DeviceTaint {
  const [key, value, timeAdded] = ["key", "value", "timeAdded"].map((field) => textOf(fieldOf(taint, field))) as [string, string, string];
  return { key, value, effect: fieldOf(taint, "effect") === "NoExecute" ? "NoExecute" : "NoSchedule", timeAdded };
}

function streamsTaken(device: unknown): number {
  const values = listOf(fieldOf(device, "consumesCounters")).map((one) => fieldOf(fieldOf(fieldOf(one, "counters"), STREAMS_COUNTER), "value"));
  return values.reduce<number>((sum, value) => sum + (Number(value ?? 0) || 0), 0);
}

/** Fields that a slice was sent with and that the API server did not keep: their features are off. */
export function droppedFields(sent: object, kept: unknown): readonly string[] {
  return OPTIONAL_FIELDS.filter((field) => has(sent, field) && !has(kept, field));
}

function has(spec: unknown, field: string): boolean {
  return [spec, ...listOf(fieldOf(spec, "devices"))].some((one) => listOf(fieldOf(one, field)).length > 0);
}

/** The server shows what is wanted, but for the fields that it drops. */
export function isAsWanted(wanted: SliceSpec, { spec }: SeenSlice, dropped: ReadonlySet<string>): boolean {
  const out = leftOut(dropped);
  return JSON.stringify(normal(wanted, out)) === JSON.stringify(normal(spec, out));
}

/** In one order, without what says nothing, times in whole seconds. Undefined: it says nothing. */
function normal(value: unknown, out: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((one) => normal(one, out) ?? null);
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const fields = Object.entries(value)
    .filter(([field]) => !out.has(field))
    .map(([field, of]): [string, unknown] => [field, field === "timeAdded" ? wholeSecond(textOf(of)) : normal(of, out)])
    .filter(([, of]) => of !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[field] : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
