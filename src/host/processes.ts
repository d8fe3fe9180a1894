// SPDX-License-Identifier: Apache-2.0

/**
 * Who has vfio devices open, from the real `/proc`: device numbers are compared, since a node may have any path. The search itself is native
 * (native/addon/scan.h, which says what it reads and what nothing in /proc shows).
 */
import { statfsSync } from "node:fs";
import { isPciAddress } from "../domain/address.ts";
import { messageOf } from "../runtime/errors.ts";
import type { HolderScan } from "./holders.ts";
import type { HostPaths } from "./paths.ts";
import { baseName, readNames, readTarget, readText } from "./reading.ts";
import { scanRendered } from "./rendered-processes.ts";
import type { SliceOptions } from "./slices.ts";

/** What to look for; null: any minor. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number | null;
}

/**
 * One thing that a process has. `Node`: a device node, open or mapped; `text` is its path there. `Registered`: a file that an io_uring keeps; the
 * kernel shows no number, `text` is its path (before 6.13 the last part alone). `Anonymous`: a device opened through its group; `text` is its path
 * in sysfs (since 6.18) or empty.
 */
export interface OpenDevice {
  readonly pid: number;
  readonly kind: "Node" | "Registered" | "Anonymous";
  readonly major: number;
  readonly minor: number;
  readonly text: string;
}

/** `why` says what kept the search from its end. `cpuMs` and `files` are its cost. */
export interface DeviceScan {
  readonly complete: boolean;
  readonly why: string;
  readonly found: readonly OpenDevice[];
  readonly files: number;
  readonly cpuMs: number;
}

/** Looks through all processes of the procfs at `proc`, until `deadlineMs` after the call. */
export type ScanDevices = (proc: string, wanted: readonly DeviceNumber[], deadlineMs: number) => Promise<DeviceScan>;

export interface ProcessSearch {
  readonly paths: HostPaths;
  readonly slices: SliceOptions;
  readonly scanDevices: ScanDevices | null;
  readonly deadlineMs: number;
}

/** PROC_SUPER_MAGIC (linux/magic.h). */
const PROCFS = 0x9fa0;

/** PROC_PID_INIT_INO, 0xEFFFFFFC (include/linux/proc_ns.h): the PID namespace that contains all others. */
const INITIAL_NAMESPACE = "pid:[4026531836]";

/** One look at all processes. A /proc that shows only some of them, that of a container, is refused. Never rejects. */
export async function scanHolders(search: ProcessSearch): Promise<HolderScan> {
  const { proc } = search.paths;
  const namespace = readTarget(`${proc}/1/ns/pid`);
  if (namespace.kind !== "Value") {
    return unreadable(`${proc}/1/ns/pid, which tells whether all processes are shown: ${namespace.kind === "Missing" ? "missing" : namespace.why}`);
  }
  if (namespace.value !== INITIAL_NAMESPACE) {
    return unreadable(`${proc} shows the processes of another PID namespace than the host's (${namespace.value}); mount the host's /proc`);
  }
  if (!isProcfs(proc)) return await scanRendered(proc, search.slices);
  if (search.scanDevices === null) return unreadable("a real /proc is read by the native addon only");
  return await scanReal(search, search.scanDevices);
}

/** False: the processes of a rendered tree. */
export function isProcfs(proc: string): boolean {
  try {
    return statfsSync(proc).type === PROCFS;
  } catch {
    return false; // Its reading says what is wrong.
  }
}

async function scanReal({ paths, deadlineMs }: ProcessSearch, scanDevices: ScanDevices): Promise<HolderScan> {
  const devices = readText(`${paths.proc}/devices`);
  if (devices.kind !== "Value") return unreadable(`${paths.proc}/devices: ${devices.kind === "Missing" ? "missing" : devices.why}`);
  const majors = vfioMajors(devices.value);
  if (majors.size === 0) return { kind: "Known", pidsByNode: new Map() };
  try {
    const wanted = [...majors.keys()].map((major) => ({ major, minor: null }));
    const scan = await scanDevices(paths.proc, wanted, deadlineMs);
    return scan.complete ? nodesOf(scan.found, majors, groupsByMinor(paths)) : unreadable(scan.why);
  } catch (thrown) {
    return unreadable(messageOf(thrown));
  }
}

type VfioKind = "Device" | "Group";

/** The drivers' majors, from lines `511 vfio-dev` and `510 vfio`. They are there for as long as the kernel has VFIO, and then alone can a node be open. */
export function vfioMajors(devices: string): ReadonlyMap<number, VfioKind> {
  const [characters = ""] = devices.split("Block devices:");
  const kinds: Readonly<Record<string, VfioKind>> = { "vfio-dev": "Device", vfio: "Group" };
  const lines = characters.split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(lines.flatMap(([major, name = ""]) => (kinds[name] === undefined ? [] : [[Number(major), kinds[name]] as const])));
}

/** A group's minor is any free number; its name, `12` or `noiommu-12`, is in the class for as long as its device is not unbound. */
function groupsByMinor(paths: HostPaths): ReadonlyMap<string, string> {
  const names = readNames(paths.vfioGroups);
  if (names.kind !== "Value") return new Map();
  return new Map(
    names.value.flatMap((name) => {
      const number = readText(`${paths.vfioGroups}/${name}/dev`);
      return number.kind === "Value" ? [[number.value, groupName(name)] as const] : [];
    }),
  );
}

const groupName = (name: string): string => name.replace(/^noiommu-/, "");

/** Names of nodes, with the processes that have them. */
export function nodesOf(found: readonly OpenDevice[], majors: ReadonlyMap<number, VfioKind>, groups: ReadonlyMap<string, string>): HolderScan {
  const pidsByNode = new Map<string, readonly number[]>();
  const withGroup = new Set(found.filter((one) => one.kind === "Node" && majors.get(one.major) === "Group").map((one) => one.pid));
  for (const one of found) {
    const node = nodeOf(one, majors, groups);
    // Who has the group's node open holds all its devices anyway; the descriptor of one adds nothing.
    if (node === null && withGroup.has(one.pid)) continue;
    if (node === null) return unreadable(`process ${one.pid} has a vfio device open, and not its group: the kernel does not say which`);
    const pids = pidsByNode.get(node) ?? [];
    if (!pids.includes(one.pid)) pidsByNode.set(node, [...pids, one.pid]);
  }
  return { kind: "Known", pidsByNode };
}

/** Null: an anonymous descriptor of a kernel that does not name the device. */
function nodeOf(one: OpenDevice, majors: ReadonlyMap<number, VfioKind>, groups: ReadonlyMap<string, string>): string | null {
  const name = groupName(baseName(one.text.replace(/(?: |\\040)\(deleted\)$/, "")));
  if (one.kind === "Registered") return name;
  if (one.kind === "Anonymous") return isPciAddress(name) ? name : null;
  // A device's minor is the number in its name (drivers/vfio/device_cdev.c).
  if (majors.get(one.major) === "Device") return `vfio${one.minor}`;
  return groups.get(`${one.major}:${one.minor}`) ?? (/^\d+$/.test(name) ? name : `${one.major}:${one.minor}`);
}

const unreadable = (why: string): HolderScan => ({ kind: "Unreadable", why });
