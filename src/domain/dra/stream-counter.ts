// SPDX-License-Identifier: Apache-2.0

/**
 * IDE streams as a counter that a scheduler takes from. Its value is what the host bridge has left and what the slots of the pool have already, so that a
 * connect of ours changes nothing. A slot takes one, whichever of its functions is allocated. Pure.
 */
import type { Address } from "../device.ts";
import { type Ground, inSlot } from "../ground.ts";
import type { Intent } from "../intent.ts";
import { promisedOn } from "../links/use.ts";
import type { Memory } from "../memory.ts";
import { slotOwnerOf } from "../slot.ts";
import { DRA_DRIVER } from "./names.ts";
import type { PoolDevice } from "./pool.ts";

export interface CounterInputs {
  readonly intent: Intent | null;
  readonly ground: Ground;
  readonly memory: Memory;
}

/** By address: a device takes one stream, or none while another function of its slot is allocated. Of several that are, the first takes it. */
export function streamsTakenBy(ground: Ground, addresses: readonly Address[], claimed: ReadonlySet<Address>): ReadonlyMap<Address, 0 | 1> {
  const taken = new Map<Address, 0 | 1>();
  const owners = Map.groupBy(addresses, (address) => ownerOf(ground, address));
  for (const on of owners.values()) {
    const first = on.toSorted().find((address) => claimed.has(address));
    for (const address of on) taken.set(address, first === undefined || first === address ? 1 : 0);
  }
  return taken;
}

function ownerOf({ functions }: Ground, address: Address): Address {
  const fn = functions.get(address);
  return fn === undefined ? address : slotOwnerOf(fn);
}

/**
 * The counter's value; null where streams are not counted: no links are asked for, or the host bridge does not tell. Never below what allocated devices
 * take: a counter that has gone negative blocks every device of the pool.
 */
export function streamsOf({ intent, ground, memory }: CounterInputs, devices: readonly PoolDevice[], claimed: ReadonlySet<Address>): number | null {
  if (intent?.link.enable !== "OnPrepare") return null;
  const owners = new Set(devices.map(({ owner }) => owner));
  const slots = [...owners].flatMap((owner) => ground.slots.get(owner) ?? []);
  const lefts = slots.flatMap(({ streamsLeft }) => streamsLeft ?? []);
  const [bridge] = devices.flatMap(({ address }) => inSlot(ground, address)?.fn.hostBridge ?? []);
  if (lefts.length === 0 || bridge === undefined) return null;
  const linked = slots.filter(({ link }) => link.state === "Secure").length;
  const others = [...ground.slots.values()].filter(({ owner, hostBridge, link }) => {
    if (owners.has(owner) || hostBridge !== bridge || link.state === "Secure") return false;
    // A device plugin's pod gets its stream, too.
    return promisedOn({ ground, memory }, owner).some(({ address }) => memory.holds.get(address)?.resource !== DRA_DRIVER);
  });
  const value = Math.min(...lefts) + linked - others.length;
  const consumed = devices.filter(({ address }) => claimed.has(address)).reduce((sum, { streams }) => sum + streams, 0);
  return Math.max(value, consumed, 0);
}
