// SPDX-License-Identifier: Apache-2.0

import type { Address } from "../device.ts";
/** From pools to writes of ResourceSlices. The API server's own slices are all that is known of what was written before. Pure. */
import { parted } from "../parted.ts";
import type { Pool } from "./pool.ts";
import { poolProblem } from "./pool-problem.ts";
import { listedIn, type SeenSlice } from "./slice-reading.ts";
import { anew, deletes, type PoolSeen, type SliceWrite, writesOf } from "./slice-writes.ts";

export { droppedFields, listedIn, type SeenSlice } from "./slice-reading.ts";
export type { SliceWrite } from "./slice-writes.ts";

/**
 * In the order in which they are to be made, one after the other: what takes something away first. A device that goes from one pool to another is gone
 * from the one before it is in the other. A pool that cannot be published as it should be (pool-problem.ts) is withdrawn: nothing of it can be given away
 * then, so that nothing is counted wrongly either.
 *
 * @param dropped fields that the API server does not keep: neither sent nor compared
 */
export function planSlices(node: string, pools: readonly Pool[], seen: readonly SeenSlice[], dropped: ReadonlySet<string>): readonly SliceWrite[] {
  const wanted = publishable(pools);
  const names = new Set(wanted.map(({ name }) => name));
  const { takers, swappers } = movesBetween(wanted, seen);
  const of = (pool: Pool): PoolSeen => ({ node, pool, seen: seen.filter((slice) => slice.pool === pool.name), dropped });
  const others = wanted.filter(({ name }) => !swappers.has(name));
  const [later, first] = parted(others, (pool) => takers.has(pool.name) || !takesAway(pool, of(pool).seen));
  return [
    ...deletes(seen.filter(({ pool }) => !names.has(pool) || swappers.has(pool))),
    ...first.flatMap((pool) => writesOf(of(pool))),
    ...wanted.filter(({ name }) => swappers.has(name)).flatMap((pool) => anew(of(pool))),
    ...later.flatMap((pool) => writesOf(of(pool))),
  ];
}

/** Those that can be published, without a device that an earlier one has. */
function publishable(pools: readonly Pool[]): readonly Pool[] {
  return judged(pools).flatMap(({ pool, problem }) => (problem === "" && pool.devices.length > 0 ? [pool] : []));
}

/** Which pools are withdrawn, why, and what to do, for people; empty when all can be published. */
export function poolsProblem(pools: readonly Pool[]): string {
  const problems = judged(pools).flatMap(({ problem }) => (problem === "" ? [] : [problem]));
  if (problems.length === 0) return "";
  return `${problems.join("; ")}. No device of such a pool is offered: set ledger: DevicePlugin for its resource, or correct what is named`;
}

function judged(pools: readonly Pool[]): readonly { readonly pool: Pool; readonly problem: string }[] {
  const taken = new Set<string>();
  return pools.map((pool) => {
    const keys = [pool.name, ...pool.devices.map(({ address }) => address)];
    const twice = keys.find((key) => taken.has(key));
    const problem = poolProblem(pool) || (twice === undefined ? "" : `pool ${pool.name}: ${twice} is in an earlier pool, too`);
    if (problem === "" && pool.devices.length > 0) for (const key of keys) taken.add(key);
    return { pool, problem };
  });
}

/** Pools to which a device goes that another one lists, and of these the ones that also lose one so: they end before they begin anew. */
function movesBetween(wanted: readonly Pool[], seen: readonly SeenSlice[]): Readonly<Record<"takers" | "swappers", ReadonlySet<string>>> {
  const homes = new Map<Address, string>(wanted.flatMap(({ name, devices }) => devices.map(({ address }) => [address, name])));
  const moves = listedIn(seen).flatMap(({ address, pool }) => {
    const to = homes.get(address);
    return to === undefined || to === pool ? [] : [{ from: pool, to }];
  });
  const takers = new Set(moves.map(({ to }) => to));
  return { takers, swappers: new Set(moves.flatMap(({ from }) => (takers.has(from) ? [from] : []))) };
}

/** A device of it goes, gets a taint or takes more: what a scheduler is to know before anything new. */
function takesAway({ devices }: Pool, seen: readonly SeenSlice[]): boolean {
  const wanted = new Map(devices.map((device) => [device.address, device]));
  return listedIn(seen).some(({ address, taints, streams }) => {
    const device = wanted.get(address);
    return device === undefined || device.streams > streams || device.taints.some(({ key }) => !taints.some((known) => known.key === key));
  });
}
