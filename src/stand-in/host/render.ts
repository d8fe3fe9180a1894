// SPDX-License-Identifier: Apache-2.0
import { domainsFromCap } from "../../domain/unit.ts";
import { addLink, type Entries, line } from "./entries.ts";
import type { UnitDescription } from "./host-description.ts";
import { streamsLeftAt } from "./ide-streams.ts";
import { type HostInState, renderFunction } from "./render-function.ts";

/** The whole host as a tree shaped like `/sys`, `/proc` and `/dev`. Pure. */
export function renderHost(hostIn: HostInState): Entries {
  const entries = renderFrame(hostIn);
  for (const unit of hostIn.host.units) {
    if (!hostIn.state.lostUnits.includes(unit.name)) append(entries, renderUnit(unit));
  }
  for (const one of hostIn.host.functions) {
    if (one.address in hostIn.state.unplugged) continue;
    const { directory, inside, around } = renderFunction(hostIn, one);
    for (const [name, entry] of inside) entries.set(`${directory}/${name}`, entry);
    append(entries, around);
  }
  append(entries, renderPools(hostIn));
  for (const { pid, address } of hostIn.state.holders) append(entries, renderHolder(hostIn, pid, address));
  return entries;
}

function append(entries: Entries, more: Entries): void {
  for (const [path, entry] of more) entries.set(path, entry);
}

/** What is there whatever is plugged in: class directories, process 1, the boot id. */
function renderFrame({ host, state }: HostInState): Entries {
  const entries: Entries = new Map();
  for (const directory of ["sys/class/iommu", "sys/bus/pci/devices", "sys/bus/pci/drivers", "sys/devices/virtual/iommu", "sys/kernel/iommu_groups"]) {
    entries.set(directory, { kind: "Directory" });
  }
  entries.set(BOOT_ID, line(state.bootId));
  append(entries, renderProcess(1, "init", []));
  entries.set("proc/1/ns/pid", { kind: "Link", target: INITIAL_NAMESPACE });
  entries.set("sys/class/tsm", { kind: "Directory" });
  if (host.tsm !== null) {
    const directory = `sys/devices/faux/tdx_host/tsm/${host.tsm}`;
    entries.set(`${directory}/uevent`, { kind: "File", content: "" });
    addLink(entries, `sys/class/tsm/${host.tsm}`, directory);
  }
  if (host.iommufd) {
    entries.set("dev/iommu", { kind: "Node" });
    entries.set("dev/vfio/devices", { kind: "Directory" });
  }
  return entries;
}

/** The host's own PID namespace: its /proc shows all processes (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
const INITIAL_NAMESPACE = "pid:[4026531836]";

export const BOOT_ID = "proc/sys/kernel/random/boot_id";

/** How many IDE streams host bridges have left, of those that say it. */
export function renderPools({ host, state }: HostInState): Entries {
  const left = Object.keys(state.streamPools).map((name) => [name, streamsLeftAt(host, state, name) ?? 0] as const);
  return new Map(left.map(([name, count]) => [`sys/devices/${name}/available_secure_streams`, line(count)]));
}

/** A unit below `sys/devices/virtual/iommu` and its link in the class. */
export function renderUnit(unit: UnitDescription): Entries {
  const entries: Entries = new Map();
  const directory = unitDirectory(unit);
  const domains = domainsFromCap(BigInt(`0x${unit.cap}`));
  entries.set(`${directory}/intel-iommu/version`, line(unit.version));
  entries.set(`${directory}/intel-iommu/address`, line(unit.regBase.slice(2)));
  entries.set(`${directory}/intel-iommu/cap`, line(unit.cap));
  entries.set(`${directory}/intel-iommu/ecap`, line(unit.ecap));
  entries.set(`${directory}/intel-iommu/domains_supported`, line(domains));
  entries.set(`${directory}/intel-iommu/domains_used`, line(unit.domainsUsed));
  entries.set(`${directory}/devices`, { kind: "Directory" });
  entries.set(`${directory}/uevent`, { kind: "File", content: "" });
  addLink(entries, `${directory}/subsystem`, "sys/class/iommu");
  addLink(entries, classEntry(unit), directory);
  return entries;
}

export function unitDirectory(unit: UnitDescription): string {
  return `sys/devices/virtual/iommu/${unit.name}`;
}

export function classEntry(unit: UnitDescription): string {
  return `sys/class/iommu/${unit.name}`;
}

/** A process that has a function's vfio device open, as a VM monitor would. */
export function renderHolder({ host, state }: HostInState, pid: number, address: string): Entries {
  // What it has open it keeps when the driver has gone.
  const number = state.vfioNumbers[address];
  const group = host.functions.find((one) => one.address === address)?.iommuGroup ?? null;
  const opened = host.iommufd ? `/dev/vfio/devices/vfio${number}` : `/dev/vfio/${group}`;
  return renderProcess(pid, "qemu-system-x86", number === undefined ? [] : [opened, "anon_inode:[iommufd]"]);
}

function renderProcess(pid: number, comm: string, files: readonly string[]): Entries {
  const entries: Entries = new Map([
    [`proc/${pid}/comm`, line(comm)],
    [`proc/${pid}/fd`, { kind: "Directory" }],
  ]);
  for (const [fd, target] of ["/dev/null", ...files].entries()) entries.set(`proc/${pid}/fd/${fd}`, { kind: "Link", target });
  return entries;
}
