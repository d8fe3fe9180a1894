// SPDX-License-Identifier: Apache-2.0

/** What the slices of one node are to become, from pools and from what the API server has. Pure. */
import type { Address } from "../device.ts";
import { addressOfDraDevice, DRA_DRIVER, draDeviceName } from "./names.ts";
import type { DeviceTaint, Pool } from "./pool.ts";

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

const DROPPABLE = ["taints", "bindingConditions"] as const;

/** The writes that make `seen` what `pools` say, in order; empty when it is. Fields in `dropped` are not compared. */
export function planSlices(node: string, pools: readonly Pool[], seen: readonly SeenSlice[], dropped: ReadonlySet<string>): readonly SliceWrite[] {
  const wanted = new Map(pools.map((pool) => [sliceName(node, pool), pool]));
  const deletes = seen.filter(({ name }) => !wanted.has(name)).map((one): SliceWrite => ({ kind: "Delete", seen: one }));
  const writes = [...wanted].flatMap(([name, pool]): SliceWrite[] => {
    const old = seen.find((one) => one.name === name);
    const spec = specOf(node, pool, old?.generation ?? 1);
    if (old === undefined) return [{ kind: "Create", name, spec }];
    return comparable(old.spec, dropped) === comparable(spec, dropped) ? [] : [{ kind: "Update", seen: old, spec }];
  });
  return [...deletes, ...writes];
}

export function listedIn(seen: readonly SeenSlice[]): readonly SeenDevice[] {
  return seen.flatMap((one) =>
    devicesOf(one.spec).flatMap((device) => {
      const address = addressOfDraDevice(String(device["name"]));
      return address === null ? [] : [{ address, pool: one.pool, taints: (device["taints"] ?? []) as readonly DeviceTaint[], streams: 0 }];
    }),
  );
}

/** Fields of devices that were sent and not kept. */
export function droppedFields(sent: object, kept: unknown): readonly string[] {
  const have = devicesOf(kept);
  const isDropped = (field: string): boolean => devicesOf(sent).some((one, index) => field in one && !(field in (have[index] ?? {})));
  return DROPPABLE.filter(isDropped);
}

function sliceName(node: string, pool: Pool): string {
  return `${node}-${pool.name.slice(node.length + 1)}`;
}

function specOf(node: string, pool: Pool, generation: number): object {
  const devices = pool.devices.map(({ address, taints, bindsWhenSecured }) => ({
    name: draDeviceName(address),
    ...(taints.length > 0 && { taints }),
    ...(bindsWhenSecured && { bindingConditions: ["teeio.dev/LinkSecured"] }),
  }));
  return { driver: DRA_DRIVER, nodeName: node, pool: { name: pool.name, generation, resourceSliceCount: 1 }, devices };
}

function comparable(spec: unknown, dropped: ReadonlySet<string>): string {
  return JSON.stringify(
    devicesOf(spec).map((device) =>
      Object.entries(device)
        .filter(([field]) => !dropped.has(field))
        .toSorted(),
    ),
  );
}

function devicesOf(spec: unknown): readonly Record<string, unknown>[] {
  return ((spec as { devices?: Record<string, unknown>[] }).devices ?? []) as readonly Record<string, unknown>[];
}
