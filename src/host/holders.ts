// SPDX-License-Identifier: Apache-2.0
import type { Holders } from "../domain/device.ts";
import { type FunctionFacts, isVfioDriver } from "./functions.ts";
import { isPresent, type Reading, readNames, readTarget } from "./reading.ts";
import { inSlices, type SliceOptions } from "./slices.ts";

/** What a function can be held by: its device node `vfioN`, or (older interface) its IOMMU group. */
export type HeldFunction = Pick<FunctionFacts, "driver" | "vfioName" | "iommuGroup">;

/** One scan of `/proc`: who has which vfio node open. */
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

/** The host has no vfio device: nobody to look for. */
export const NOBODY_TO_FIND: HolderSearch = { scan: { kind: "Known", pidsByNode: new Map() }, strays: NO_STRAYS };
export const NOT_LOOKED: HolderSearch = { scan: { kind: "Unreadable", why: "no process was looked at yet" }, strays: NO_STRAYS };

/** `…/vfio/devices/vfio3` or `…/vfio/12`, wherever a container has it mounted. A file that was unlinked while open says so at its end. */
const VFIO_NODE = /\/vfio\/(?:devices\/)?(vfio\d+|\d+)(?: \(deleted\))?$/;

/**
 * Looks through the open files of every process for vfio nodes. A process that ends meanwhile holds nothing; one whose files may not be listed
 * makes the whole scan Unreadable, since it could hold anything.
 */
export async function scanHolders(proc: string, options: SliceOptions): Promise<HolderScan> {
  const listed = readNames(proc);
  if (listed.kind !== "Value") return { kind: "Unreadable", why: `${proc}: ${listed.kind === "Missing" ? "missing" : listed.why}` };
  const pids = listed.value.filter((name) => /^\d+$/.test(name));
  // A real /proc always has process 1: an empty one is a wrong mount, not an idle host.
  if (pids.length === 0) return { kind: "Unreadable", why: `${proc} lists no process` };
  const found: Found = { pidsByNode: new Map(), unreadable: null };
  await inSlices(openFiles(proc, pids, found), ({ pid, target }) => note(found, pid, target), options);
  return found.unreadable === null ? { kind: "Known", pidsByNode: found.pidsByNode } : { kind: "Unreadable", why: found.unreadable };
}

interface Found {
  readonly pidsByNode: Map<string, readonly number[]>;
  unreadable: string | null;
}

/** Every open file of every process, one at a time: a single process may have a hundred thousand. */
function* openFiles(proc: string, pids: readonly string[], found: Found): Generator<{ pid: string; target: Reading<string> }> {
  for (const pid of pids) {
    const files = readNames(`${proc}/${pid}/fd`);
    // A missing fd directory belongs to a process that has ended; with its process still there it is strange, and counts as unreadable.
    if (files.kind === "Unreadable" || (files.kind === "Missing" && isPresent(`${proc}/${pid}`))) {
      found.unreadable ??= `open files of process ${pid}: ${files.kind === "Missing" ? "no fd directory" : files.why}`;
    }
    for (const file of files.kind === "Value" ? files.value : []) yield { pid, target: readTarget(`${proc}/${pid}/fd/${file}`) };
  }
}

function note(found: Found, pid: string, target: Reading<string>): void {
  if (target.kind === "Unreadable") found.unreadable ??= `an open file of process ${pid}: ${target.why}`;
  const node = target.kind === "Value" ? VFIO_NODE.exec(target.value)?.[1] : undefined;
  if (node === undefined) return;
  const pids = found.pidsByNode.get(node) ?? [];
  if (!pids.includes(Number(pid))) found.pidsByNode.set(node, [...pids, Number(pid)]);
}

/**
 * Who holds `one`. The driver link does not tell: an unbind takes the link and `vfio-dev/vfioN` away first and then waits until the last process has
 * closed the device, so a function without a driver may still be a guest's. Its IOMMU group stays, and a node that is open and that no function has
 * may be its. Only another driver is proof against vfio: none can be bound before the wait is over.
 */
export function holdersOf(one: HeldFunction, { scan, strays }: HolderSearch): Holders {
  const { driver, vfioName, iommuGroup } = one;
  const pids = [vfioName, iommuGroup].flatMap((node) => (node.kind === "Value" ? pidsOf(scan, node.value) : []));
  const isOthers = driver.kind === "Value" && !isVfioDriver(driver.value);
  if (pids.length > 0 || isOthers) return { kind: "Known", pids: [...new Set(pids)].sort((a, b) => a - b) };
  const why = whyUnreadable(one, scan) ?? strayOf(one, strays);
  return why === null ? { kind: "Known", pids: [] } : { kind: "Unreadable", why };
}

function pidsOf(scan: HolderScan, node: string): readonly number[] {
  return scan.kind === "Known" ? (scan.pidsByNode.get(node) ?? []) : [];
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
