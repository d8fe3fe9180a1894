// SPDX-License-Identifier: Apache-2.0
import { type Holders, isVfioDriver } from "../domain/device.ts";
import type { FunctionFacts } from "./functions.ts";

/** What a function can be held by: its device node `vfioN`, or (older interface) its IOMMU group, or what that gave, which kernels name by address. */
export type HeldFunction = Pick<FunctionFacts, "address" | "driver" | "vfioName" | "iommuGroup">;

/** One scan of `/proc`: who has which vfio node open. A node is `vfioN`, the number of an IOMMU group, or a function's address. */
export type HolderScan =
  | { readonly kind: "Known"; readonly pidsByNode: ReadonlyMap<string, readonly number[]> }
  | { readonly kind: "Unreadable"; readonly why: string };

/** Open nodes that no listed function has, one of each kind, in words; null when there is none. See strays.ts. */
export interface Strays {
  readonly device: string | null;
  readonly group: string | null;
}

export const NO_STRAYS: Strays = { device: null, group: null };

/** A scan seen together with the functions of the same observation. */
export interface HolderSearch {
  readonly scan: HolderScan;
  readonly strays: Strays;
}

/** The host has no vfio device: there is no holder to look for. */
export const NO_HOLDER_TO_FIND: HolderSearch = { scan: { kind: "Known", pidsByNode: new Map() }, strays: NO_STRAYS };
/** No holder was looked for, because the caller needs no answer. */
export const NOT_ASKED: HolderSearch = { scan: { kind: "Unreadable", why: "not looked for: no decision hung on it" }, strays: NO_STRAYS };

/**
 * Who holds `one`. The driver link does not tell: an unbind takes the link and `vfio-dev/vfioN` away first and then waits until the last process has
 * closed the device, so a function without a driver may still be a guest's. Its IOMMU group stays, and a node that is open and that no function has
 * may be its. Only another driver is proof against vfio: none can be bound before the wait is over.
 */
export function holdersOf(one: HeldFunction, { scan, strays }: HolderSearch): Holders {
  const pids = scan.kind === "Known" ? pidsOf(one, scan.pidsByNode) : [];
  if (pids.length > 0) return { kind: "Known", pids };
  if (one.driver.kind === "Value" && !isVfioDriver(one.driver.value)) return NO_HOLDERS;
  const why = whyUnreadable(one, scan) ?? strayOf(one, strays);
  return why === null ? NO_HOLDERS : { kind: "Unreadable", why };
}

const NO_HOLDERS: Holders = { kind: "Known", pids: [] };

function pidsOf({ address, vfioName, iommuGroup }: HeldFunction, pidsByNode: ReadonlyMap<string, readonly number[]>): readonly number[] {
  // Thousands of functions are asked about, and nearly always nothing is open.
  if (pidsByNode.size === 0) return [];
  const nodes = [vfioName, iommuGroup].flatMap((node) => (node.kind === "Value" ? [node.value] : []));
  return [...new Set([address, ...nodes].flatMap((node) => pidsByNode.get(node) ?? []))].sort((a, b) => a - b);
}

function whyUnreadable({ driver, vfioName, iommuGroup }: HeldFunction, scan: HolderScan): string | null {
  if (driver.kind === "Unreadable") return `driver: ${driver.why}`;
  if (vfioName.kind === "Unreadable") return `vfio-dev: ${vfioName.why}`;
  if (iommuGroup.kind === "Unreadable") return `iommu_group: ${iommuGroup.why}`;
  return scan.kind === "Unreadable" ? scan.why : null;
}

function strayOf({ vfioName, iommuGroup }: HeldFunction, strays: Strays): string | null {
  if (vfioName.kind !== "Missing") return null;
  return strays.device ?? (iommuGroup.kind === "Missing" ? strays.group : null);
}
