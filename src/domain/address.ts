// SPDX-License-Identifier: Apache-2.0
import type { Address } from "./device.ts";

/**
 * The one form of an address: `DDDD:BB:DD.F`, lower-case hex, as the kernel prints it (`%04x:%02x:%02x.%d`). Segments above ffff (VMD) have five
 * to eight digits, without leading zeros.
 */
export const ADDRESS_PATTERN = /^([0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7}):[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/;

/** What to write, completing "write …". */
export const ADDRESS_FORM = 'a PCI address DDDD:BB:DD.F in lower-case hex, as lspci -D shows it, in quotes: "0000:17:00.0"';

/** True for an address in its one form. Podresources also names devices of other plugins, by ids of their own (`GPU-4711`): those are never ours. */
export function isPciAddress(id: string): boolean {
  return ADDRESS_PATTERN.test(id);
}

/**
 * The address meant by `text`, in its one form; null when it is none. Upper case, an address without segment (`17:00.0`: segment 0) and the 8-digit
 * segment of vendors' tools (`00000000:17:00.0`) are understood.
 */
export function parseAddress(text: string): Address | null {
  const [, segment = "0", rest] = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}:[01][0-9a-f]\.[0-7])$/.exec(text.trim().toLowerCase()) ?? [];
  return rest === undefined ? null : `${segment.replace(/^0+/, "").padStart(4, "0")}:${rest}`;
}

/** Addresses within `text`, in their one form, also as names have them that may hold no colon and no point (`gpu-0000-17-00-0`). */
export function addressesIn(text: string): readonly Address[] {
  const found = text.toLowerCase().matchAll(/(?<![0-9a-z])([0-9a-f]{4,8})([:-])([0-9a-f]{2})\2([01][0-9a-f])[.-]([0-7])(?![0-9a-z])/g);
  return [...found].map(([, segment, , bus, device, fn]) => parseAddress(`${segment}:${bus}:${device}.${fn}`)).filter((address) => address !== null);
}

/** `0000:17` of `0000:17:00.0`. */
export function busOf(address: Address): string {
  return address.slice(0, address.lastIndexOf(":"));
}

/** Its requester ID within its segment: bus in bits 15:8, device in 7:3, function in 2:0. PCIe r6.1 2.2.6.2. */
export function requesterIdOf(address: Address): number {
  const [bus = "", rest = ""] = address.split(":").slice(-2);
  const [device = "", fn = ""] = rest.split(".");
  return (Number.parseInt(bus, 16) << 8) | (Number.parseInt(device, 16) << 3) | Number.parseInt(fn, 16);
}

/** By segment, bus, device and function. */
export function compareAddress(a: Address, b: Address): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
