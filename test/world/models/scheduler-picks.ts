// SPDX-License-Identifier: Apache-2.0

/** Which devices the scheduler's allocator takes, as version 1.37 does (its "incubating" allocator). Pure. */
import { draDeviceName } from "../../../src/domain/dra/names.ts";
import type { Pool, PoolDevice } from "../../../src/domain/dra/pool.ts";
import { type Ask, deviceKey, RESOURCE_ATTRIBUTE, resultOf, type StoredAllocation, type StoredPool } from "./dra-objects.ts";

type Result = StoredAllocation["devices"][number];

export interface PickView {
  readonly pools: readonly StoredPool[];
  /** Keys (`deviceKey`) of devices that some claim has. */
  readonly allocated: ReadonlySet<string>;
}

interface Choice {
  readonly pool: Pool;
  readonly device: PoolDevice;
  readonly key: string;
}

/** Devices for all of `asks` at once, in their order; null: there are not enough. */
export function pickDevices({ pools, allocated }: PickView, asks: readonly Ask[]): readonly Result[] | null {
  const usable = pools.filter(isUsable).map(({ pool }) => pool);
  const choices = inOrder(usable).flatMap((pool) =>
    pool.devices.map((device) => ({ pool, device, key: deviceKey({ pool: pool.name, device: draDeviceName(device.address) }) })),
  );
  const left = new Map(usable.map((pool) => [pool.name, streamsLeft(pool, allocated)]));
  const singles = asks.flatMap((ask) => Array.from({ length: ask.count }, () => ask));
  return take(choices, singles, { taken: allocated, left });
}

/** First fit, with a step back where the first did not lead on. */
function take(
  choices: readonly Choice[],
  [ask, ...others]: readonly Ask[],
  state: { readonly taken: ReadonlySet<string>; readonly left: ReadonlyMap<string, number> },
): readonly Result[] | null {
  if (ask === undefined) return [];
  for (const { pool, device, key } of choices) {
    if (ask.resource !== undefined && device.attributes[RESOURCE_ATTRIBUTE] !== ask.resource) continue;
    if (device.taints.length > 0 && ask.tolerates !== true) continue;
    const isAdmin = ask.adminAccess === true;
    if (!isAdmin && (state.taken.has(key) || !isCovered(device, state.left.get(pool.name) ?? 0))) continue;
    const left = isAdmin ? state.left : new Map(state.left).set(pool.name, (state.left.get(pool.name) ?? 0) - device.streams);
    const rest = take(choices, others, { taken: isAdmin ? state.taken : new Set([...state.taken, key]), left });
    if (rest !== null) return [resultOf(pool, device, ask), ...rest];
  }
  return null;
}

/** A counter below what is used is negative, and refuses every device that consumes of it. */
function isCovered({ streams }: PoolDevice, left: number): boolean {
  return streams === 0 || left >= streams;
}

/** Only what is allocated and still in the slices counts: a device that is gone takes its consumption with it, a tainted one does not. */
export function streamsLeft(pool: Pool, allocated: ReadonlySet<string>): number {
  const used = pool.devices.filter(({ address }) => allocated.has(deviceKey({ pool: pool.name, device: draDeviceName(address) })));
  return used.reduce((left, { streams }) => left - streams, pool.streams ?? 0);
}

/** One device that names a counter that is not there makes the whole pool unusable. */
function isUsable({ pool, isWhole }: StoredPool): boolean {
  return isWhole && (pool.streams !== null || pool.devices.every(({ streams }) => streams === 0));
}

/** Pools with binding conditions last; by name among each other. */
function inOrder(pools: readonly Pool[]): readonly Pool[] {
  const rank = (pool: Pool): number => Number(pool.devices.some(({ bindsWhenSecured }) => bindsWhenSecured));
  return pools.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}
