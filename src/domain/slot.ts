// SPDX-License-Identifier: Apache-2.0

/** Slots: what a link belongs to. A TSM connects function 0 of a slot, and what it secures is the link of the slot, with all functions on it. Pure. */
import type { Address, PciFunction } from "./device.ts";

/** The device on one PCIe link. */
export interface Slot {
  /** Whose `tsm/` and IDE registers speak for it: function 0, on the bus or not. */
  readonly owner: Address;
  /** Its functions on the bus, virtual ones included, in the order in which they were given. */
  readonly functions: readonly Address[];
  /** The root port in which the link ends; null on the root bus. */
  readonly rootPort: Address | null;
}

/** Whose link the function's is: function 0 of its slot, or of its physical function's. */
export function linkOwnerOf(fn: Pick<PciFunction, "address" | "physicalFunction">): Address {
  return `${(fn.physicalFunction ?? fn.address).slice(0, -1)}0`;
}

/** The slots of `functions`, in the order of their first functions. */
export function slotsOf(functions: Iterable<Pick<PciFunction, "address" | "physicalFunction" | "rootPort">>): readonly Slot[] {
  const slots = new Map<Address, { owner: Address; functions: Address[]; rootPort: Address | null }>();
  for (const fn of functions) {
    const owner = linkOwnerOf(fn);
    const slot = slots.get(owner) ?? { owner, functions: [], rootPort: fn.rootPort };
    slot.functions.push(fn.address);
    slots.set(owner, slot);
  }
  return [...slots.values()];
}
