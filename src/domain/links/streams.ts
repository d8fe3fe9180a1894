// SPDX-License-Identifier: Apache-2.0

/**
 * IDE streams are scarce, and a pod that was given a device waits on its node for the link. So no more slots are offered than can be secured: per host
 * bridge those that have a stream, those that are to get one, and of the others the first ones, in order of address, for which a stream is left. A
 * connect of ours changes none of that. Pure.
 */
import { compareAddress } from "../address.ts";
import type { Address } from "../device.ts";
import type { Intent } from "../intent.ts";
import { isOurs, type LinkInputs, wantingOn } from "./use.ts";

export interface StreamWishes {
  readonly intent: Intent | null;
  /** A function of the slot would be offered if there were streams enough: what is withheld for another reason takes none from those that are not. */
  readonly canBeOffered: (owner: Address) => boolean;
}

/** Owners of slots that nothing is left for. Where a host bridge does not say how many streams it has, there is enough. */
export function withoutStream(inputs: LinkInputs, { intent, canBeOffered }: StreamWishes): ReadonlySet<Address> {
  const { ground } = inputs;
  const none = new Set<Address>();
  if (intent?.link.enable !== "OnPrepare") return none;
  const unlinked = [...ground.slots.values()].filter((slot) => slot.link.state === "Insecure" && isOurs(intent, ground, slot));
  for (const slots of Map.groupBy(unlinked, ({ hostBridge }) => hostBridge).values()) {
    const left = slots.reduce<number | null>((least, { streamsLeft }) => smaller(least, streamsLeft), null);
    if (left === null) continue;
    const [wanted, others] = parted(slots, ({ owner }) => wantingOn(inputs, owner).length > 0);
    const free = others.filter(({ owner }) => canBeOffered(owner)).sort((a, b) => compareAddress(a.owner, b.owner));
    for (const { owner } of free.slice(Math.max(0, left - wanted.length))) none.add(owner);
  }
  return none;
}

function smaller(one: number | null, other: number | null): number | null {
  return one === null ? other : other === null ? one : Math.min(one, other);
}

function parted<T>(all: readonly T[], test: (one: T) => boolean): readonly [readonly T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
}
