// SPDX-License-Identifier: Apache-2.0

/** Names of ResourceSlices: a DNS subdomain made of node, pool and part alone, so that an agent finds its slices again, and two write the same ones. Pure. */
import { DRA_DRIVER } from "./names.ts";

/** What a slice has of its pool: the counters, or some of the devices. */
export type SlicePart = "counters" | number;

const LONGEST = 253;
/** For `-counters`, or a dash and the number of a part. */
const PART = 12;

export function sliceName(node: string, pool: string, part: SlicePart): string {
  return `${stem(node, pool)}-${part}`;
}

/** Null: no name that `sliceName` gives to a slice of devices of the pool. */
export function partOf(node: string, pool: string, name: string): number | null {
  const start = `${stem(node, pool)}-`;
  const rest = name.startsWith(start) ? name.slice(start.length) : "";
  return /^(0|[1-9][0-9]{0,8})$/.test(rest) ? Number(rest) : null;
}

/** `n1-teeio.dev-pci0000-16`: names are the cluster's, whatever the driver. */
function stem(node: string, pool: string): string {
  const own = pool.startsWith(`${node}/`) ? pool.slice(node.length + 1) : pool;
  const whole = `${node}-${DRA_DRIVER}-${own.replaceAll("/", "-")}`;
  if (whole.length <= LONGEST - PART) return whole;
  const tail = hash(`${node} ${pool}`);
  // A label ends in a letter or a digit.
  return `${whole.slice(0, LONGEST - PART - tail.length - 1).replace(/[^0-9a-z]+$/, "")}-${tail}`;
}

/** FNV-1a, 64 bits, 16 hex digits: to tell names apart, not to hide them. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  return value.toString(16).padStart(16, "0");
}
