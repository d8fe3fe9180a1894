// SPDX-License-Identifier: Apache-2.0

/**
 * The writes that make the API server's slices of a node those of its pools. A scheduler looks at the highest generation of a pool only, and at that only
 * while it is complete: so one changed object keeps its generation, and several get a new one, during which nothing of the pool is given away. Pure.
 */
import type { Address } from "../device.ts";
import { addressOfDraDevice } from "./names.ts";
import type { DeviceTaint, Pool } from "./pool.ts";
import { bodiesOf, DROPPABLE, devicesIn, type SliceBody } from "./slice-spec.ts";

/** A slice of ours as the API server has it. */
export interface SeenSlice {
  readonly name: string;
  readonly resourceVersion: string;
  readonly uid: string;
  readonly pool: string;
  readonly generation: number;
  readonly sliceCount: number;
  /** The whole of it, plain JSON. */
  readonly spec: unknown;
}

export type SliceWrite =
  | { readonly kind: "Create"; readonly name: string; readonly spec: object }
  | { readonly kind: "Update"; readonly seen: SeenSlice; readonly spec: object }
  | { readonly kind: "Delete"; readonly seen: SeenSlice };

export interface SeenDevice {
  readonly address: Address;
  readonly pool: string;
  readonly taints: readonly DeviceTaint[];
  readonly streams: number;
}

/** In order; empty when all is as wanted. Pools that lose something come first. Fields in `dropped` are known not to be kept: they are sent and not compared. */
export function planSlices(node: string, pools: readonly Pool[], seen: readonly SeenSlice[], dropped: ReadonlySet<string>): readonly SliceWrite[] {
  const wanted = new Map(pools.map((pool) => [pool.name, bodiesOf(node, pool)]));
  const bySeen = Map.groupBy(seen, ({ pool }) => pool);
  const names = [...new Set([...bySeen.keys(), ...wanted.keys()])];
  const plans = names.map((name) => ({ name, writes: planPool(wanted.get(name) ?? [], bySeen.get(name) ?? [], dropped) }));
  const takes = (name: string): number => (isTaken(wanted.get(name) ?? [], bySeen.get(name) ?? []) ? 0 : 1);
  return plans.toSorted((a, b) => takes(a.name) - takes(b.name)).flatMap(({ writes }) => writes);
}

function planPool(bodies: readonly SliceBody[], seen: readonly SeenSlice[], dropped: ReadonlySet<string>): readonly SliceWrite[] {
  const generation = Math.max(0, ...seen.map((one) => one.generation));
  const byName = new Map(seen.map((one) => [one.name, one]));
  const names = new Set(bodies.map(({ name }) => name));
  const deletes = seen.filter(({ name }) => !names.has(name)).map((one): SliceWrite => ({ kind: "Delete", seen: one }));
  const isWhole = deletes.length === 0 && bodies.every(({ name }) => isCurrent(byName.get(name), generation, bodies.length));
  const isSame = ({ name, spec }: SliceBody): boolean => comparable(byName.get(name)?.spec, dropped) === comparable(spec, dropped);
  const changed = bodies.filter((body) => !isSame(body));
  if (isWhole && changed.length <= 1) return changed.map((body) => written(body, byName.get(body.name), { generation, count: bodies.length }));
  const next = { generation: generation + 1, count: bodies.length };
  return [...bodies.map((body) => written(body, byName.get(body.name), next)), ...deletes];
}

function isCurrent(seen: SeenSlice | undefined, generation: number, count: number): boolean {
  return seen !== undefined && seen.generation === generation && seen.sliceCount === count;
}

function written(
  { name, spec }: SliceBody,
  seen: SeenSlice | undefined,
  { generation, count }: { readonly generation: number; readonly count: number },
): SliceWrite {
  const pool = { ...(spec["pool"] as object), generation, resourceSliceCount: count }; // Of slice-spec.ts.
  const whole = { ...spec, pool };
  return seen === undefined ? { kind: "Create", name, spec: whole } : { kind: "Update", seen, spec: whole };
}

/** A device of the pool is to go, or to be given to nobody. */
function isTaken(bodies: readonly SliceBody[], seen: readonly SeenSlice[]): boolean {
  const free = new Set(bodies.flatMap(({ spec }) => devicesIn(spec)).flatMap((device) => (device["taints"] === undefined ? [device["name"]] : [])));
  return seen.flatMap(({ spec }) => devicesIn(spec)).some((device) => device["taints"] === undefined && !free.has(device["name"]));
}

/** Every device that a scheduler may be shown by them, of whatever generation. */
export function listedIn(seen: readonly SeenSlice[]): readonly SeenDevice[] {
  return seen.flatMap(({ pool, spec }) =>
    devicesIn(spec).flatMap((device) => {
      const address = addressOfDraDevice(String(device["name"]));
      if (address === null) return [];
      return [{ address, pool, taints: listOf<DeviceTaint>(device["taints"]), streams: streamsOf(device) }];
    }),
  );
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? value : [];
}

function streamsOf(device: Readonly<Record<string, unknown>>): number {
  const consumed = listOf<{ readonly counters?: Readonly<Record<string, { readonly value?: string }>> }>(device["consumesCounters"]);
  return consumed.flatMap(({ counters = {} }) => Object.values(counters)).reduce((sum, { value }) => sum + Number(value ?? 0), 0);
}

/** Fields that were sent in a spec and not kept. */
export function droppedFields(sent: object, kept: unknown): readonly string[] {
  const have = new Map(devicesIn(kept).map((device) => [device["name"], device]));
  const isDropped = (field: string): boolean => devicesIn(sent).some((device) => field in device && !(field in (have.get(device["name"]) ?? {})));
  const isShared = "sharedCounters" in sent && !(typeof kept === "object" && kept !== null && "sharedCounters" in kept);
  return DROPPABLE.filter((field) => (field === "sharedCounters" ? isShared : isDropped(field)));
}

/** As text that is equal when the two say the same to a scheduler: keys in order, without what says nothing. */
function comparable(spec: unknown, dropped: ReadonlySet<string>): string {
  return JSON.stringify(spec, (key, value: unknown) => {
    if (dropped.has(key) || key === "generation" || key === "resourceSliceCount") return undefined;
    if (Array.isArray(value)) return value.length === 0 ? undefined : value;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
