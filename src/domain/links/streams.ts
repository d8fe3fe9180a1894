// SPDX-License-Identifier: Apache-2.0

import { compareAddress } from "../address.ts";
import type { Address } from "../device.ts";
import type { Intent } from "../intent.ts";
/**
 * IDE streams are scarce, and a pod that was given a device waits on its node for the link. A stream takes one from the pool of its host bridge, and a
 * selective block of the root port and of the endpoint. So no more slots are offered than can be secured: those that have a stream, those that are to get
 * one, and of the others the first ones, in order of address, for which there is one left in each pool. A connect of ours changes none of that. Pure.
 */
import { parted } from "../parted.ts";
import type { Slot } from "../slot.ts";
import { isOurs, type LinkInputs, promisedOn } from "./use.ts";

export interface StreamWishes {
  readonly intent: Intent | null;
  /** A function of the slot would be offered if there were streams enough: what is withheld for another reason takes none from those that are not. */
  readonly canBeOffered: (owner: Address) => boolean;
  /** Its devices are DRA's: the scheduler counts the streams of its host bridge for itself. */
  readonly isInDra: (owner: Address) => boolean;
}

export interface Ration {
  /** Owners of slots that nothing is left for. */
  readonly withoutStream: ReadonlySet<Address>;
  /** Owners of slots of device plugins whose streams the scheduler may give to others, as it does not know of these. */
  readonly streamsShared: ReadonlySet<Address>;
}

export const NO_RATION: Ration = { withoutStream: new Set(), streamsShared: new Set() };

type Pooled = Pick<Slot, "owner" | "hostBridge" | "rootPort" | "streamsLeft" | "blocksLeft">;

/** Where a stream of the slot comes from. `left`: null where it cannot be told, which counts as enough. */
function poolsOf({ owner, hostBridge, rootPort, streamsLeft, blocksLeft }: Pooled) {
  return [
    { name: hostBridge ?? "its host bridge", left: streamsLeft },
    { name: `root port ${rootPort ?? ""}`, left: blocksLeft.rootPort },
    { name: owner, left: blocksLeft.endpoint },
  ];
}

/** What has no stream left for the slot; empty when everything has, as far as is known. */
export function withoutStreamLeft(slot: Pooled): string {
  const empty = poolsOf(slot).filter(({ left }) => left === 0);
  return empty.length === 0 ? "" : `no IDE stream is left at ${empty.map(({ name }) => name).join(" and ")}`;
}

/** How many streams each pool has for the slot, for people. */
export function streamsText(slot: Pooled): string {
  return poolsOf(slot)
    .flatMap(({ name, left }) => (left === null ? [] : `${left} at ${name}`))
    .join(", ");
}

export function rationOf(inputs: LinkInputs, { intent, canBeOffered, isInDra }: StreamWishes): Ration {
  const { ground } = inputs;
  const none = new Set<Address>();
  if (intent?.link.enable !== "OnPrepare") return NO_RATION;
  // What was given away gets its stream as soon as nothing is in the way of that: neither a link or a unit that cannot be read, nor an edit of the spec.
  const [wanted, others] = parted(
    [...ground.slots.values()].filter(({ link }) => link.state !== "Secure"),
    ({ owner }) => promisedOn(inputs, owner).length > 0,
  );
  const unlinked = others.filter((slot) => slot.link.state === "Insecure" && isOurs(intent, ground, slot));
  const left = leftIn([...wanted, ...unlinked]);
  const take = (slot: Slot): void => {
    for (const { name } of poolsOf(slot)) left.set(name, (left.get(name) ?? Number.POSITIVE_INFINITY) - 1);
  };
  for (const slot of wanted) take(slot);
  const [inDra, inPlugins] = parted(
    unlinked.filter(({ owner }) => canBeOffered(owner)),
    ({ owner }) => isInDra(owner),
  );
  // Of the host bridge's the scheduler counts; blocks of a port or of the device are none that it knows of.
  for (const { owner, rootPort } of inDra) if ([owner, `root port ${rootPort ?? ""}`].some((name) => (left.get(name) ?? 1) <= 0)) none.add(owner);
  const streamsShared = sharedOn([...inDra, ...inPlugins], left, isInDra);
  for (const slot of inPlugins.sort((a, b) => compareAddress(a.owner, b.owner))) {
    if (streamsShared.has(slot.owner)) continue;
    if (poolsOf(slot).every(({ name }) => (left.get(name) ?? 1) > 0)) take(slot);
    else none.add(slot.owner);
  }
  return { withoutStream: none, streamsShared };
}

/** Slots of device plugins below a host bridge that has slots of DRA, too, and fewer streams left than slots. */
function sharedOn(slots: readonly Slot[], left: ReadonlyMap<string, number>, isInDra: (owner: Address) => boolean): ReadonlySet<Address> {
  const shared = new Set<Address>();
  for (const [bridge, on] of Map.groupBy(slots, ({ hostBridge }) => hostBridge)) {
    const isShort = bridge !== null && (left.get(bridge) ?? Number.POSITIVE_INFINITY) < on.length;
    if (isShort && on.some(({ owner }) => isInDra(owner))) for (const { owner } of on) if (!isInDra(owner)) shared.add(owner);
  }
  return shared;
}

/** By name of the pool, of those that say it: the least that one of its slots was read with. */
function leftIn(slots: readonly Slot[]): Map<string, number> {
  const known = slots.flatMap(poolsOf).flatMap(({ name, left }) => (left === null ? [] : [{ name, left }]));
  return new Map([...Map.groupBy(known, ({ name }) => name)].map(([name, all]) => [name, Math.min(...all.map(({ left }) => left))]));
}
