// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import { functionZeroOf } from "../../domain/slot.ts";
import { configImage } from "./config-image.ts";
import { addLink, type Entries, line, linkTo } from "./entries.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";
import { type HostState, vfioNameOf } from "./host-state.ts";
import { blocksOf, streamNameOf } from "./ide-streams.ts";

/** A function as a tree: its own directory, and what elsewhere refers to it. */
export interface RenderedFunction {
  /** Path of its directory below the root. */
  readonly directory: string;
  /** Paths relative to that directory. */
  readonly inside: Entries;
  /** Paths below the root: links from classes, units, groups and drivers, and the device node. */
  readonly around: Entries;
}

/** What one function's rendering depends on. */
export interface HostInState {
  readonly host: HostDescription;
  readonly state: HostState;
  readonly byAddress: ReadonlyMap<Address, FunctionDescription>;
}

export function hostInState(host: HostDescription, state: HostState): HostInState {
  return { host, state, byAddress: new Map(host.functions.map((one) => [one.address, one])) };
}

/** Renders one function as the kernel of a real host would show it. Pure. */
export function renderFunction(hostIn: HostInState, one: FunctionDescription): RenderedFunction {
  const directory = directoryOf(hostIn, one);
  const rendered: RenderedFunction = { directory, inside: new Map(), around: new Map() };
  addAttributes(rendered.inside, hostIn, one);
  addLinks(rendered, hostIn, one);
  addTsm(rendered.inside, hostIn, one);
  addVfio(rendered, hostIn, one);
  return rendered;
}

/** `sys/devices/pci0000:16/0000:16:01.0/0000:17:00.0`: the bridges above are directories around it. */
export function directoryOf(hostIn: HostInState, one: FunctionDescription): string {
  const above = one.bridge === null ? null : (hostIn.byAddress.get(one.bridge) ?? null);
  return `${above === null ? `sys/devices/${one.hostBridge}` : directoryOf(hostIn, above)}/${one.address}`;
}

function addAttributes(inside: Entries, hostIn: HostInState, one: FunctionDescription): void {
  const { host, state } = hostIn;
  const image = one.image === null ? null : Buffer.from(host.images[one.image] ?? "", "base64");
  const driver = state.drivers[one.address] ?? null;
  inside.set("vendor", line(`0x${one.vendor}`));
  inside.set("device", line(`0x${one.device}`));
  inside.set("class", line(`0x${one.class}`));
  inside.set("revision", line(`0x${one.revision}`));
  inside.set("numa_node", line(one.numaNode ?? -1));
  inside.set("driver_override", line(state.overrides[one.address] ?? "(null)"));
  inside.set("config", { kind: "File", content: configImage(one, image, blocksOf(hostIn, one)) });
  inside.set("uevent", { kind: "File", content: uevent(one, driver) });
  if (one.totalVfs > 0) {
    inside.set("sriov_totalvfs", line(one.totalVfs));
    inside.set("sriov_numvfs", line(one.virtualFunctions.filter((address) => !(address in state.unplugged)).length));
  }
}

function uevent(one: FunctionDescription, driver: string | null): string {
  const ids = `${one.vendor}:${one.device}`.toUpperCase();
  const bound = driver === null ? "" : `DRIVER=${driver}\n`;
  return `${bound}PCI_CLASS=${one.class.replace(/^0/, "").toUpperCase()}\nPCI_ID=${ids}\nPCI_SLOT_NAME=${one.address}\n`;
}

function addLinks({ directory, inside, around }: RenderedFunction, hostIn: HostInState, one: FunctionDescription): void {
  const { state } = hostIn;
  const inner = (name: string, to: string): void => {
    inside.set(name, linkTo(`${directory}/${name}`, to));
  };
  const driver = state.drivers[one.address] ?? null;
  inner("subsystem", "sys/bus/pci");
  addLink(around, `sys/bus/pci/devices/${one.address}`, directory);
  if (one.unit !== null) {
    inner("iommu", `sys/devices/virtual/iommu/${one.unit}`);
    if (!state.lostUnits.includes(one.unit)) addLink(around, `sys/devices/virtual/iommu/${one.unit}/devices/${one.address}`, directory);
  }
  if (one.iommuGroup !== null) {
    inner("iommu_group", `sys/kernel/iommu_groups/${one.iommuGroup}`);
    addLink(around, `sys/kernel/iommu_groups/${one.iommuGroup}/devices/${one.address}`, directory);
  }
  if (driver !== null) {
    inner("driver", `sys/bus/pci/drivers/${driver}`);
    addLink(around, `sys/bus/pci/drivers/${driver}/${one.address}`, directory);
  }
  const stream = streamNameOf(hostIn, one);
  if (stream !== null) addLink(around, `sys/devices/${one.hostBridge}/${stream}`, directory);
  if (one.physicalFunction !== null) inside.set("physfn", { kind: "Link", target: `../${one.physicalFunction}` });
  for (const [index, address] of one.virtualFunctions.entries()) {
    if (!(address in state.unplugged)) inside.set(`virtfn${index}`, { kind: "Link", target: `../${address}` });
  }
}

/** Function 0 that could be connected has the whole group; others have `bound` and `dsm` while their function 0 is connected. */
function addTsm(inside: Entries, { host, state, byAddress }: HostInState, one: FunctionDescription): void {
  if (host.tsm === null) return;
  const speaker = slotSpeaker(one);
  const zero = byAddress.get(speaker);
  if (zero === undefined || !(zero.teeIo || zero.ideStreams > 0 || zero.image !== null)) return;
  const connected = state.connected.includes(speaker);
  if (speaker === one.address) {
    inside.set("tsm/connect", line(connected ? host.tsm : ""));
    inside.set("tsm/disconnect", line(""));
    inside.set("authenticated", line(connected ? host.tsm : ""));
  } else if (!connected) return;
  inside.set("tsm/bound", line(state.bound.includes(one.address) ? host.tsm : ""));
  inside.set("tsm/dsm", line(connected ? speaker : ""));
}

/** Function 0 of the slot that speaks for a function. */
export function slotSpeaker(one: FunctionDescription): Address {
  return functionZeroOf(one.physicalFunction ?? one.address);
}

function addVfio({ directory, inside, around }: RenderedFunction, { host, state }: HostInState, one: FunctionDescription): void {
  const name = vfioNameOf(state, one.address);
  if (name === null) return;
  inside.set(`vfio-dev/${name}/dev`, line(`511:${name.slice(4)}`));
  addLink(around, `sys/class/vfio-dev/${name}`, `${directory}/vfio-dev/${name}`);
  if (host.iommufd) around.set(`dev/vfio/devices/${name}`, { kind: "Node" });
}
