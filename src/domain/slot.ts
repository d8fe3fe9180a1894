// SPDX-License-Identifier: Apache-2.0

/**
 * Slots: what a link belongs to. A TSM connects function 0 of a slot, and what it secures is the link of the slot, with all functions on it. A bridge
 * (root port, switch port) is a slot of its own: several root ports may be functions of one device, each with a link below it. Pure.
 */
import type { Address, PciFunction, Tristate, TsmRead } from "./device.ts";

export type LinkState = "Insecure" | "Secure" | "Unknown";

/**
 * The link of a slot, from tsm sysfs and IDE registers together. Secure as soon as one of them says so: a TSM is connected, or any IDE stream of any of
 * its functions is enabled or in state secure (2).
 */
export interface Link {
  readonly state: LinkState;
  /** Content of `tsm/connect`, empty when not connected or when no `tsm/` group exists. */
  readonly tsm: string;
  /**
   * At least one IDE stream that the kernel names for function 0 (`streamH.R.E`) is enabled and in state secure at both ends: in block E of function 0
   * and in block R of the root port. A stream on another block proves nothing.
   */
  readonly streamSecure: Tristate;
}

/** Requester IDs, both ends included. */
export interface RidRange {
  readonly first: number;
  readonly last: number;
}

export interface LinkRead {
  /** How `tsm/connect` was read, and `tsm/dsm` of a connected one. */
  readonly tsm: TsmRead;
  /**
   * Control, status and requester IDs of the IDE streams of both ends, for comparison only: every one of the slot's functions, and those of the root port
   * above in which the slot's streams end by the kernel's names (below a switch the others are other slots'). Null when those of function 0 or of the root
   * port cannot be read. They are read after `tsm/`, and block on nothing.
   */
  readonly registers: string | null;
  /** Why the IDE registers that speak for the slot are not all known, for people; empty when they are. */
  readonly problem: string;
}

/**
 * `FarEnd`, a root port or a switch's downstream port: it has the other end of a link, and nothing to release. `Upstream`, a switch's port towards the root
 * port: a TSM connects it like a device (Linux `is_pci_tsm_pf0`), for the other functions of its slot and for what is below the switch.
 */
export type PortKind = "FarEnd" | "Upstream";

/** The device on one PCIe link, or the bridge on one. Which functions it has follows from these (`slotOwnerOf`). */
export interface Slot {
  /** Whose `tsm/` and IDE registers speak for it: function 0, on the bus or not. */
  readonly owner: Address;
  /** Kernel name of the host bridge, `pci0000:16`; null when it cannot be told. */
  readonly hostBridge: string | null;
  /** Its function 0 is a bridge's; null: a device's. */
  readonly port: PortKind | null;
  /** The root port in which the link ends; null on the root bus. */
  readonly rootPort: Address | null;
  readonly link: Link;
  /** Content of `tsm/dsm`: the function that manages the security of the device. Empty when not connected, or when the kernel does not say. */
  readonly dsm: string;
  /** Link TSMs of the host, by kernel name (`tsm0`), when the slot was read. */
  readonly tsms: readonly string[];
  /** Secure streams that the host bridge has left (`available_secure_streams`); null when it cannot be told. */
  readonly streamsLeft: number | null;
  /** Selective IDE blocks of both ends that are off: a stream needs one at each. Null: it cannot be told, or that end has none. */
  readonly blocksLeft: { readonly endpoint: number | null; readonly rootPort: number | null };
  /** Requester IDs that the root port associates with the streams that are secure: a function with another one is not secured by them. */
  readonly covers: readonly RidRange[];
  readonly linkRead: LinkRead;
}

/** A function with the slot that it is on: what one question about a device is answered from. */
export interface FunctionInSlot {
  readonly fn: PciFunction;
  readonly slot: Slot;
}

/** Base class 06, sub-class 04: root ports and switch ports carry the other end of a link. */
const PCI_BRIDGE = "0604";

export function isBridge({ class: code }: Pick<PciFunction, "class">): boolean {
  return code.startsWith(PCI_BRIDGE);
}

/** The owner of the function's slot. A virtual function whose physical one cannot be told is on a slot of its own, of which nothing is known. */
export function slotOwnerOf(fn: Pick<PciFunction, "address" | "class" | "functionType" | "physicalFunction">): Address {
  const isAlone = isBridge(fn) || (fn.functionType === "Virtual" && fn.physicalFunction === null);
  return isAlone ? fn.address : functionZeroOf(fn.physicalFunction ?? fn.address);
}

/** Function 0 of the function's slot, which carries the TEE-I/O, IDE and DOE capabilities for all of them (Linux `pf0_dev_get`). */
export function functionZeroOf(address: Address): Address {
  return `${address.slice(0, -1)}0`;
}

/** The functions of each slot, by owner, in the order given. */
export function bySlot(functions: Iterable<PciFunction>): ReadonlyMap<Address, readonly PciFunction[]> {
  return Map.groupBy(functions, slotOwnerOf);
}
