// SPDX-License-Identifier: Apache-2.0
import type { Binding, PciFunction } from "../../../src/domain/device.ts";
import type { HostUnit, HostView } from "../../../src/domain/host.ts";
import type { FunctionInSlot } from "../../../src/domain/slot.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { Fact } from "./fact.ts";
import { type DeviceShape, HostFunction, type LinkTruth } from "./host-function.ts";
import type { WorldTime } from "./world-time.ts";

export interface HostUnitShape {
  readonly regBase: string;
  readonly canConnect: boolean;
}

export interface HostShape {
  readonly streams: number | null;
  readonly streamPool: "HostBridge" | "RootPort";
  readonly units: readonly HostUnitShape[];
  readonly devices: readonly DeviceShape[];
}

interface HostUnitState extends HostUnitShape {
  readonly kernelName: string;
  readonly isPresent: Fact<boolean>;
  readonly isReadable: Fact<boolean>;
  readonly domainsUsed: Fact<number>;
}

const DOMAINS = 65_536;

/** The host's tree as the reader would show it, with the truth behind what cannot be read. */
export class HostModel {
  readonly functions: readonly HostFunction[];
  readonly #streams: number | null;
  readonly #streamPool: HostShape["streamPool"];
  /** The highest number that a vfio node has been given. */
  #nodes = 100;
  readonly units: readonly HostUnitState[];
  readonly isReadable: Fact<boolean>;
  /** How many link TSMs are registered. */
  readonly tsms: Fact<number>;
  /** False while some device is being connected or disconnected. */
  readonly isTsmFree: Fact<boolean>;
  readonly #listeners = new Map<number, () => void>();
  bootId = 1;
  /** Uevents are lost. */
  isMute = false;

  constructor(time: WorldTime, shape: HostShape) {
    this.isReadable = new Fact(time, true);
    this.isTsmFree = new Fact(time, true);
    this.tsms = new Fact(time, 1);
    this.#streams = shape.streams;
    this.#streamPool = shape.streamPool;
    this.functions = functionsOf(time, shape.devices, { isTsmFree: this.isTsmFree, tsms: this.tsms });
    this.units = shape.units.map((unit, at) => ({
      ...unit,
      kernelName: `dmar${at}`,
      isPresent: new Fact(time, true),
      isReadable: new Fact(time, true),
      domainsUsed: new Fact(time, 8),
    }));
  }

  find(address: string): HostFunction | null {
    return this.functions.find((fn) => fn.address === address) ?? null;
  }

  unit(regBase: string): HostUnitState | null {
    return this.units.find((unit) => unit.regBase === regBase) ?? null;
  }

  below(regBase: string): readonly HostFunction[] {
    return this.functions.filter((fn) => fn.regBase === regBase);
  }

  /** IDE streams, which the TDX module sees; a TSM connection without one it does not. */
  ideOn(regBase: string): boolean {
    return this.below(regBase).some((fn) => fn.hasIdeStream);
  }

  listen(process: number, listener: () => void): () => void {
    this.#listeners.set(process, listener);
    return () => void this.#listeners.delete(process);
  }

  forget(process: number): void {
    this.#listeners.delete(process);
  }

  /** Off the bus, and back as a function nobody has touched, or with a link that it has already. A slot goes and comes with its function 0. */
  plug(fn: HostFunction, isPresent: boolean, link: LinkTruth = "Off"): boolean {
    if (isPresent && fn.linkOwner?.isPresent.value === false) return false;
    if (fn.linkOwner === null) this.secure(fn, link);
    const slot = [fn, ...this.functions.filter((one) => one.physical === null && one.linkOwner === fn)];
    for (const one of slot) one.isBound.set(false);
    return slot.filter((one) => this.change(one.isPresent, isPresent, true)).length > 0;
  }

  /** Function 0 and its virtual functions that are there: a kernel covers no others, and none that come later. */
  secure(fn: HostFunction, link: LinkTruth): boolean {
    const owner = this.functions.find((one) => one.linkOwner === null && one.link === fn.link) ?? fn;
    const isCovered = (one: HostFunction): boolean => one === owner || (one.physical === owner && one.isPresent.value);
    fn.covered.set(this.functions.filter(isCovered).map(({ address }) => address));
    return this.change(fn.link, link, false);
  }

  /** How many more links can be secured; null: it is not known. */
  get streamsLeft(): number | null {
    // A kernel takes the stream before the link is secured with it.
    const taken = this.functions.filter((fn) => fn.linkOwner === null && (fn.link.value !== "Off" || fn.isHalfWritten.value)).length;
    return this.#streams === null ? null : Math.max(0, this.#streams - taken);
  }

  /** Ends the stream of a slot when its function 0 is reset; the TSM takes no notice. */
  reset(fn: HostFunction): boolean {
    return fn.linkOwner === null && fn.link.value === "Tsm" && this.change<LinkTruth>(fn.link, "Broken", false);
  }

  /** The kernel's lock of all `tsm/` files is taken, or free again. */
  blockTsm(isFree: boolean): boolean {
    return this.change(this.isTsmFree, isFree, false);
  }

  /** Something came or went that the kernel announces, and that is no fact of a function. */
  wake(): void {
    if (!this.isMute) for (const listener of [...this.#listeners.values()]) listener();
  }

  /** Both leave vfio and come back in the other order: each gets the other's node. */
  swapNodes(one: HostFunction, other: HostFunction): boolean {
    const free = [one, other].every((fn) => fn.isPresent.value && fn.isOnVfio.value && fn.opens.value === 0);
    if (!free || one === other) return false;
    const node = one.node.value;
    this.change(one.node, other.node.value, true);
    return this.change(other.node, node, true);
  }

  /** A driver's probe: vfio gives a number that is free. */
  bindVfio(fn: HostFunction): boolean {
    if (fn.isOnVfio.value) return false;
    if (fn.isNative.value) {
      this.#nodes += 1;
      fn.node.set(`/dev/vfio/devices/vfio${this.#nodes}`);
    }
    fn.isNative.set(false);
    fn.isUsedByHost.set(false);
    return this.change(fn.isOnVfio, true, true);
  }

  bindNative(fn: HostFunction): boolean {
    fn.isOnVfio.set(false);
    return this.change(fn.isNative, true, true);
  }

  /** What decides whether its driver can be changed. */
  bindingOf(fn: PciFunction): Binding {
    const one = this.find(fn.address);
    const virtualFunctions = this.functions.filter(({ physical, isPresent }) => physical === one && isPresent.value).length;
    return { override: one?.override.value ?? "", virtualFunctions, users: one?.isUsedByHost.value ? ["nvme0n1 is mounted at /"] : [], problem: "" };
  }

  /** What whoever opens the node gets. */
  behind(node: string): HostFunction | null {
    return this.functions.find((fn) => fn.isPresent.value && fn.isOnVfio.value && fn.node.value === node) ?? null;
  }

  /** Sets a fact; a change of the kind that the kernel announces wakes who listens. */
  change<T>(fact: Fact<T>, value: T, isAnnounced: boolean): boolean {
    const isLoud = isAnnounced && !this.isMute;
    if (!fact.set(value, isLoud)) return false;
    if (isLoud) for (const listener of [...this.#listeners.values()]) listener();
    return true;
  }

  view(): HostView {
    if (!this.isReadable.value) throw new AppError("HOST_UNREADABLE", "EIO");
    if (this.isTsmFree.value) for (const fn of this.functions) if (fn.isLinkReadable.value) fn.linkBeforeBlock = fn.link.value;
    const units = this.units.filter((unit) => unit.isPresent.value);
    const shown = this.functions.filter((fn) => fn.isPresent.value).map((fn) => this.#shown(fn));
    return {
      bootId: `boot-${this.bootId}`,
      units: units.filter((unit) => unit.isReadable.value).map(hostUnitOf),
      unreadableUnits: units.filter((unit) => !unit.isReadable.value).map(({ kernelName }) => ({ kernelName, why: "EACCES" })),
      otherKinds: [],
      functions: shown.map(({ fn }) => fn),
      slots: [...new Map(shown.map(({ slot }) => [slot.owner, slot])).values()],
    };
  }

  /** Of the slot of a function 0. */
  registersOf(address: string): string | null {
    const fn = this.find(address);
    return fn?.isPresent.value ? fn.registers : null;
  }

  viewOf(address: string): FunctionInSlot | null {
    if (!this.isReadable.value) throw new AppError("HOST_UNREADABLE", "EIO");
    const fn = this.find(address);
    return fn?.isPresent.value ? this.#shown(fn) : null;
  }

  /** Whether a look at the function gives its unit. */
  showsUnitOf(fn: HostFunction): boolean {
    const unit = this.unit(fn.regBase ?? "");
    return fn.isUnitReadable.value && (fn.regBase === null || unit === null || (unit.isPresent.value && unit.isReadable.value));
  }

  /** Whether a look at the function gives that it has TEE-I/O and a unit above it: what the agent knows less of it leaves alone. */
  showsCapable(fn: HostFunction): boolean {
    const isTold = fn.isPresent.value && fn.isConfigReadable.value && fn.answers.value;
    return isTold && fn.isTeeCapable && fn.regBase !== null && fn.isUnitLinked.value && this.showsUnitOf(fn);
  }

  #shown(fn: HostFunction): FunctionInSlot {
    const kernelName = this.unit(fn.regBase ?? "")?.kernelName ?? "dmar9";
    const isOfPort = this.#streamPool === "RootPort";
    const pools = { streamsLeft: isOfPort ? null : this.streamsLeft, portBlocksLeft: isOfPort ? this.streamsLeft : null };
    return fn.show({ kernelName, isUnitReadable: this.showsUnitOf(fn), ...pools });
  }
}

/** A physical function comes before its virtual ones, and function 0 before the others of its slot. */
function functionsOf(time: WorldTime, devices: readonly DeviceShape[], ofHost: Pick<HostFunction, "isTsmFree" | "tsms">): readonly HostFunction[] {
  const made = new Map<string, HostFunction>();
  for (const [at, device] of devices.entries()) {
    const physical = made.get(device.physicalFunction ?? "") ?? null;
    const linkOwner = physical ?? made.get(`${device.address.slice(0, -1)}0`) ?? null;
    made.set(device.address, new HostFunction(time, device, { at, physical, linkOwner, ...ofHost }));
  }
  return [...made.values()];
}

function hostUnitOf(unit: HostUnitState): HostUnit {
  return {
    regBase: unit.regBase,
    kernelName: unit.kernelName,
    cap: 0n,
    ecap: unit.canConnect ? 1n << 50n : 0n,
    domainsSupported: DOMAINS,
    domainsUsed: unit.domainsUsed.value,
  };
}
