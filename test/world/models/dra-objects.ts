// SPDX-License-Identifier: Apache-2.0

/** ResourceSlices and ResourceClaims as the API server of the world keeps them. Pools stand for their slices, which are tested elsewhere. */
import type { DeviceConditions, ListedDevice } from "../../../src/cluster/dra/port.ts";
import type { ClaimDevice, ClaimRef, ClaimUser, NodeClaim } from "../../../src/domain/dra/claim.ts";
import { DRA_DRIVER, draDeviceName, LINK_FAILED, LINK_SECURED } from "../../../src/domain/dra/names.ts";
import type { Pool, PoolDevice } from "../../../src/domain/dra/pool.ts";
import type { Kept } from "./dra-stored.ts";

/** Fields that an API server without the feature does not keep. */
export const DROPPABLE = ["taints", "consumesCounters", "bindingConditions"] as const;
export type Droppable = (typeof DROPPABLE)[number];

export interface StoredPool {
  readonly driver: string;
  readonly node: string;
  readonly pool: Pool;
  /** Its slices are of one generation, and all there. Nothing is allocated from one that is not whole. */
  readonly isWhole: boolean;
}

export interface StoredAllocation {
  readonly node: string;
  /** In whole seconds. */
  readonly atMs: number;
  readonly devices: readonly Omit<ClaimDevice, "conditions">[];
}

/** `count` devices for one request; `resource`: with that value of the attribute of the same name. */
export interface Ask {
  readonly request: string;
  readonly count: number;
  readonly resource?: string;
  readonly adminAccess?: boolean;
  /** Every taint. */
  readonly tolerates?: boolean;
}

export interface StoredClaim extends ClaimRef {
  readonly isForExtendedResources: boolean;
  /** UID of the pod that it was made for (template, extended resource); null: a user made it. */
  readonly owner: string | null;
  readonly asks: readonly Ask[];
  readonly parameters: readonly string[];
  readonly hasFinalizer: boolean;
  /** It goes as soon as it has no finalizer. */
  readonly isDeleting: boolean;
  readonly allocation: StoredAllocation | null;
  readonly reservedFor: readonly ClaimUser[];
  /** `status.devices`. */
  readonly conditions: readonly DeviceConditions[];
}

/** The attribute by which a request selects devices here. */
export const RESOURCE_ATTRIBUTE = "resource";

/** As the API server gives it back. */
export function keptOf(pool: Pool, drops: ReadonlySet<Droppable>): Pool {
  const streams = drops.has("consumesCounters") ? null : pool.streams;
  return { ...pool, streams, devices: pool.devices.map((device) => keptDevice(device, drops)) };
}

function keptDevice(device: PoolDevice, drops: ReadonlySet<Droppable>): PoolDevice {
  return {
    ...device,
    taints: drops.has("taints") ? [] : device.taints,
    streams: drops.has("consumesCounters") ? 0 : device.streams,
    bindsWhenSecured: device.bindsWhenSecured && !drops.has("bindingConditions"),
  };
}

/** Fields of `wanted` that are lost by `keptOf`, in order. Whoever does not keep what is consumed keeps no counters either. */
export function lostOf(wanted: readonly Pool[], drops: ReadonlySet<Droppable>): readonly string[] {
  const devices = wanted.flatMap((pool) => pool.devices);
  const has = (field: Droppable, isUsed: boolean): boolean => isUsed && drops.has(field);
  const lost: Readonly<Record<Droppable | "sharedCounters", boolean>> = {
    bindingConditions: has(
      "bindingConditions",
      devices.some(({ bindsWhenSecured }) => bindsWhenSecured),
    ),
    consumesCounters: has(
      "consumesCounters",
      devices.some(({ streams }) => streams > 0),
    ),
    sharedCounters: has(
      "consumesCounters",
      wanted.some(({ streams }) => streams !== null),
    ),
    taints: has(
      "taints",
      devices.some(({ taints }) => taints.length > 0),
    ),
  };
  return Object.entries(lost).flatMap(([field, isLost]) => (isLost ? [field] : []));
}

export function listedOf({ pool }: StoredPool): readonly ListedDevice[] {
  return pool.devices.map(({ address, taints, streams }) => ({ address, pool: pool.name, taints, streams }));
}

/** What the allocation copies of a device. */
export function resultOf(pool: Pool, device: PoolDevice, { request, adminAccess = false }: Ask): Omit<ClaimDevice, "conditions"> {
  const conditions = (type: string): readonly string[] => (device.bindsWhenSecured ? [type] : []);
  const names = { request, pool: pool.name, device: draDeviceName(device.address), adminAccess };
  return { ...names, bindingConditions: conditions(LINK_SECURED), bindingFailureConditions: conditions(LINK_FAILED) };
}

/** All devices of the claim, each with its conditions. */
export function devicesOf({ allocation, conditions }: StoredClaim): readonly ClaimDevice[] {
  return (allocation?.devices ?? []).map((result) => {
    const own = conditions.find(({ pool, device }) => pool === result.pool && device === result.device);
    return { ...result, conditions: own?.conditions ?? [] };
  });
}

/** As the node of `node` sees it: devices of another node are none of its own. */
export function asNodeClaim({ revision, value }: Kept<StoredClaim>, node: string): NodeClaim {
  const { namespace, name, uid, isForExtendedResources, reservedFor, parameters } = value;
  const devices = value.allocation?.node === node ? devicesOf(value) : [];
  return { namespace, name, uid, resourceVersion: String(revision), isForExtendedResources, podClaimName: null, reservedFor, devices, parameters };
}

export function isOurs({ driver }: StoredPool): boolean {
  return driver === DRA_DRIVER;
}

/** `pool/device`: one device of a driver, whichever pool names it. */
export function deviceKey({ pool, device }: Pick<ClaimDevice, "pool" | "device">): string {
  return `${pool}/${device}`;
}
