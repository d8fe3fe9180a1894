// SPDX-License-Identifier: Apache-2.0

/** Which devices of a pool stand together in one slice. Pure. */
import type { Address } from "../device.ts";
import type { PoolDevice } from "./pool.ts";

/** Of a slice in which any device has a taint or takes from a counter; others may have 128. A taint comes at any time, so it holds for all. */
export const MOST_DEVICES = 64;

/**
 * By part, in order: all functions of a slot in one, so that a change of hands between them is one write. Only a slot with more than fit has several.
 * What stands in a part stays there: a device that comes or goes moves no other, or each would be a write of all.
 *
 * @param before the part in which each device is now
 */
export function arranged(devices: readonly PoolDevice[], before: ReadonlyMap<Address, number>): ReadonlyMap<number, readonly PoolDevice[]> {
  const parts = new Map<number, PoolDevice[]>();
  const put = (group: readonly PoolDevice[], part: number): boolean => {
    const there = parts.get(part) ?? [];
    if (there.length + group.length > MOST_DEVICES) return false;
    parts.set(part, [...there, ...group]);
    return true;
  };
  const others = groupsOf(devices).filter((group) => {
    const part = group.map(({ address }) => before.get(address)).find((known) => known !== undefined);
    return part === undefined || !put(group, part);
  });
  for (const group of others) for (let part = 0; !put(group, part); part += 1);
  const order = new Map(devices.map(({ address }, at) => [address, at]));
  const at = ({ address }: PoolDevice): number => order.get(address) ?? 0;
  return new Map([...parts].sort(([a], [b]) => a - b).map(([part, there]) => [part, there.sort((a, b) => at(a) - at(b))]));
}

/** Of one slot each, and never more than fit in one slice. */
function groupsOf(devices: readonly PoolDevice[]): readonly (readonly PoolDevice[])[] {
  const slots = [...Map.groupBy(devices, ({ owner }) => owner).values()];
  return slots.flatMap((slot) =>
    Array.from({ length: Math.ceil(slot.length / MOST_DEVICES) }, (_, at) => slot.slice(at * MOST_DEVICES, (at + 1) * MOST_DEVICES)),
  );
}
