// SPDX-License-Identifier: Apache-2.0
import type { Tristate } from "../domain/device.ts";
import { type Ide, readIde } from "./ide.ts";

/** A function's configuration space, read a register at a time: only defined registers are touched, and each read may wake the device. */
export interface ConfigSpace {
  /** Bytes the kernel says the space has: 4096, or 256 for a function without extended space. A dump of 64 bytes is a truncated one. */
  readonly size: number;
  /** One little-endian register at an offset that is a multiple of 4; null when it cannot be read (unprivileged readers get 64 bytes). */
  u32(offset: number): number | null;
}

/** What a function's own configuration space says. `Unknown` and null stand for what was not readable, never for a guess. */
export interface Capabilities {
  /** DEVCAP bit 30. PCIe r6.1 7.5.3.3. */
  readonly teeIo: Tristate;
  readonly ide: Ide;
  /** Offsets of DOE mailboxes (extended capability 0x2E). */
  readonly doe: readonly number[];
  /** SR-IOV TotalVFs; 0 without the capability, null when it cannot be told. */
  readonly totalVfs: number | null;
}

/** Capabilities of a space that cannot be read at all. */
export const UNREADABLE_CAPABILITIES: Capabilities = { teeIo: "Unknown", ide: { kind: "Unknown" }, doe: [], totalVfs: null };

const LEGACY_BYTES = 256;
const CAPABILITY_POINTER = 0x34;
const STATUS_HAS_CAPABILITIES = 1 << 20; // Status bit 4, in the register at 0x04.
const PCI_EXPRESS = 0x10;
const DEVCAP = 0x04;
const DEVCAP_TEE_IO = 1 << 30;
const EXTENDED_START = 0x100;
const IDE = 0x30;
const DOE = 0x2e;
const SR_IOV = 0x10;
const SR_IOV_VFS = 0x0c; // InitialVFs in the low half, TotalVFs in the high half.
const ALL_ONES = 0xffffffff;
/** More than fit into 4 KiB: a chain that is longer has a loop. */
const LONGEST_CHAIN = 480;

/** Reads the capabilities that matter here. Total: any bytes give an answer, and what a truncated space does not show is Unknown. */
export function readCapabilities(space: ConfigSpace): Capabilities {
  const id = readable(space.u32(0));
  if (id === null) return UNREADABLE_CAPABILITIES;
  const express = findPciExpress(space);
  if (express === null) return UNREADABLE_CAPABILITIES;
  if (express === 0) return { teeIo: "No", ide: { kind: "Absent" }, doe: [], totalVfs: 0 };
  const devcap = readable(space.u32(express + DEVCAP));
  const teeIo = devcap === null ? "Unknown" : (devcap & DEVCAP_TEE_IO) !== 0 ? "Yes" : "No";
  return { teeIo, ...readExtended(space) };
}

/** All ones is what a function that no longer answers reads as. */
function readable(value: number | null): number | null {
  return value === ALL_ONES ? null : value;
}

/** Offset of the PCI Express capability, 0 when the function has none, null when it cannot be told. */
function findPciExpress(space: ConfigSpace): number | null {
  const status = readable(space.u32(4));
  if (status === null) return null;
  if ((status & STATUS_HAS_CAPABILITIES) === 0) return 0;
  const pointer = space.u32(CAPABILITY_POINTER);
  if (pointer === null) return null;
  let offset = pointer & 0xfc;
  for (let hops = 0; offset >= 0x40 && hops < LONGEST_CHAIN; hops++) {
    const header = readable(space.u32(offset));
    if (header === null) return null;
    if ((header & 0xff) === PCI_EXPRESS) return offset;
    offset = (header >>> 8) & 0xfc;
  }
  return 0; // Like the kernel: a chain that leads below 0x40 or round in a circle ends there.
}

function readExtended(space: ConfigSpace): Omit<Capabilities, "teeIo"> {
  if (space.size === LEGACY_BYTES) return { ide: { kind: "Absent" }, doe: [], totalVfs: 0 };
  let ide: Ide = { kind: "Absent" };
  let totalVfs: number | null = 0;
  const doe: number[] = [];
  let offset = EXTENDED_START;
  for (let hops = 0; offset >= EXTENDED_START && hops < LONGEST_CHAIN; hops++) {
    const header = readable(space.u32(offset));
    // What was found so far holds; what was not found might come later.
    if (header === null) return { ide: ide.kind === "Absent" ? { kind: "Unknown" } : ide, doe, totalVfs: totalVfs === 0 ? null : totalVfs };
    const id = header & 0xffff;
    if (id === IDE && ide.kind === "Absent") ide = readIde(space, offset);
    if (id === DOE && !doe.includes(offset)) doe.push(offset);
    if (id === SR_IOV && totalVfs === 0) totalVfs = readTotalVfs(space, offset);
    offset = (header >>> 20) & 0xffc;
  }
  return { ide, doe, totalVfs };
}

function readTotalVfs(space: ConfigSpace, offset: number): number | null {
  const vfs = readable(space.u32(offset + SR_IOV_VFS));
  return vfs === null ? null : vfs >>> 16;
}

/** A space that was read into memory before, `size` bytes by the kernel's word (a shorter `bytes` is a truncated space). */
export function configSpaceOf(bytes: Uint8Array, size: number): ConfigSpace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { size, u32: (offset) => (offset >= 0 && offset + 4 <= bytes.byteLength ? view.getUint32(offset, true) : null) };
}
