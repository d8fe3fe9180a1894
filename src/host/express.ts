// SPDX-License-Identifier: Apache-2.0

/**
 * The PCI Express capability, found as Linux finds it (`pci_find_capability`, drivers/pci/pci.c): what the kernel does not see as an Express function
 * it never connects, so nothing that is read past its rules may become a Yes.
 */
import { type ConfigSpace, readable } from "./config-space.ts";

const STATUS = 0x04; // Command in the low half.
const STATUS_HAS_CAPABILITIES = 1 << 20;
const HEADER_TYPE = 0x0c; // In bits 22:16; bit 23 says that the slot has several functions.
const LIST_POINTERS: readonly (number | undefined)[] = [0x34, 0x34, 0x14]; // Function, bridge, CardBus bridge.
const LIST_START = 0x40;
const MOST_ENTRIES = 48; // They have 192 bytes, and four are the shortest.
const END_OF_LIST = 0xff;
const PCI_EXPRESS = 0x10;
/** Of a switch: the port towards the root port. */
const UPSTREAM_PORT = 5;
/** Device types to which a TSM connects (`is_pci_tsm_pf0`, drivers/pci/tsm.c): endpoint, upstream port, root-complex integrated endpoint. */
const TSM_TYPES: readonly number[] = [0, UPSTREAM_PORT, 9];

/** `offset` of the capability; `canConnect`: the function is of a type to which a TSM connects; `isUpstream`: it is a switch's port towards the root port. */
export type Express =
  | { readonly kind: "Present"; readonly offset: number; readonly canConnect: boolean; readonly isUpstream: boolean }
  | { readonly kind: "Absent" }
  | { readonly kind: "Unknown" };

export function findExpress(space: ConfigSpace): Express {
  const status = readable(space.u32(STATUS));
  const header = readable(space.u32(HEADER_TYPE));
  if (status === null || header === null) return { kind: "Unknown" };
  const pointerAt = LIST_POINTERS[(header >>> 16) & 0x7f];
  // The kernel ignores a function of another type; what it looks like is not known.
  if (pointerAt === undefined) return { kind: "Unknown" };
  if ((status & STATUS_HAS_CAPABILITIES) === 0) return { kind: "Absent" };
  const pointer = space.u32(pointerAt);
  return pointer === null ? { kind: "Unknown" } : follow(space, pointer & 0xfc);
}

function follow(space: ConfigSpace, start: number): Express {
  let offset = start;
  for (let entries = 0; offset >= LIST_START && entries < MOST_ENTRIES; entries++) {
    const entry = readable(space.u32(offset));
    if (entry === null) return { kind: "Unknown" };
    const id = entry & 0xff;
    if (id === END_OF_LIST) return { kind: "Absent" };
    const type = (entry >>> 20) & 0xf;
    if (id === PCI_EXPRESS) return { kind: "Present", offset, canConnect: TSM_TYPES.includes(type), isUpstream: type === UPSTREAM_PORT };
    offset = (entry >>> 8) & 0xfc;
  }
  return { kind: "Absent" };
}
