// SPDX-License-Identifier: Apache-2.0

/** What the audit log knows of the node between two looks, and one look to compare it with. Pure. */
import type { Address } from "../device.ts";
import type { Ground } from "../ground.ts";
import type { Intent } from "../intent.ts";
import type { LinkWriteKind } from "../links/work.ts";
import type { Memory } from "../memory.ts";
import { slotOwnerOf } from "../slot.ts";
import type { Leaf, RegBase } from "../unit.ts";
import type { AuditEvent } from "./event.ts";

/** A unit as it was last told of. */
export interface SeenUnit {
  /** The newest span of trust; null: none was seen. */
  readonly epoch: string | null;
  readonly isTrusted: boolean;
  /** It has an id, or trust whose id nobody tells. */
  readonly isSetUp: boolean;
}

export type SeenLink = "Off" | "Secure" | "Broken";

export interface Seen {
  readonly boot: string;
  readonly instance: string;
  /** Of the driver's table that `units` are of. */
  readonly generation: bigint;
  readonly units: ReadonlyMap<RegBase, SeenUnit>;
  /** By owner of the slot. */
  readonly links: ReadonlyMap<Address, SeenLink>;
  /** When the newest reading of the links began, of all and of single ones (monotonic ms): an older one that comes late is no news. */
  readonly linksMs: number;
  readonly linkMs: ReadonlyMap<Address, number>;
  /** Links (proofs.ts `linkKey`) that were told to have been read insecure after SETUP. */
  readonly checked: ReadonlySet<string>;
  /** What `checked` was last compared with: most looks change neither. */
  readonly compared: { readonly links: ReadonlySet<string>; readonly intent: Intent } | null;
  readonly held: ReadonlySet<Address>;
  /** When this process last gave the device away or let a container start with it (monotonic ms). */
  readonly given: ReadonlyMap<Address, number>;
  /** What this process last did to a link that has not come to what it was done for yet. */
  readonly writes: ReadonlyMap<Address, LinkWriteKind>;
  /** The last SEAMCALL that this process asked for. */
  readonly calls: ReadonlyMap<RegBase, Leaf>;
  /** Slot and unit of each function, as last seen. */
  readonly places: ReadonlyMap<Address, Place>;
}

/** Where a device is. */
export interface Place {
  readonly slot: Address;
  readonly unit: RegBase | "";
}

export interface Look {
  readonly intent: Intent | null;
  readonly ground: Ground;
  /** After the look. */
  readonly memory: Pick<Memory, "checkedLinks" | "holds" | "lastUnits" | "settleMs">;
}

/** Before the first look. */
export const NOTHING_SEEN: Seen = {
  boot: "",
  instance: "",
  generation: -1n,
  units: new Map(),
  links: new Map(),
  linksMs: Number.NEGATIVE_INFINITY,
  linkMs: new Map(),
  checked: new Set(),
  compared: null,
  held: new Set(),
  given: new Map(),
  writes: new Map(),
  calls: new Map(),
  places: new Map(),
};

/** The unit's span of trust now; empty when it is not trusted. */
export function epochOf({ units }: Pick<Seen, "units">, unit: RegBase | ""): string {
  const seen = units.get(unit);
  return seen?.isTrusted === true ? (seen.epoch ?? "") : "";
}

/** Whom an event of a device is about. */
export function aboutDevice(seen: Seen, address: Address): Pick<AuditEvent, "address" | "slot" | "unit" | "epoch"> {
  const { slot, unit } = seen.places.get(address) ?? { slot: "", unit: "" };
  return { address, slot, unit, epoch: epochOf(seen, unit) };
}

/** Whom an event of a link is about: where the owner is, or the first function that is there when the owner is not. */
export function aboutLink(seen: Seen, owner: Address): Pick<AuditEvent, "address" | "slot" | "unit" | "epoch"> {
  const unit = seen.places.get(owner)?.unit || [...seen.places.values()].find((place) => place.slot === owner)?.unit || "";
  return { address: owner, slot: owner, unit, epoch: epochOf(seen, unit) };
}

/** A function that left the bus stays where it was. */
export function placesAfter(before: Seen["places"], { ground, memory }: Look): Seen["places"] {
  let places: Map<Address, Place> | null = null;
  for (const fn of ground.functions.values()) {
    const place = { slot: slotOwnerOf(fn), unit: memory.lastUnits.get(fn.address) ?? "" };
    const known = before.get(fn.address);
    if (known?.slot === place.slot && known.unit === place.unit) continue;
    places ??= new Map(before);
    places.set(fn.address, place);
  }
  return places ?? before;
}
