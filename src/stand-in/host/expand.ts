// SPDX-License-Identifier: Apache-2.0
import { busOf, isPciAddress } from "../../domain/address.ts";
import type { Address } from "../../domain/device.ts";
import { ECAP_TDX_CONNECT } from "../../domain/unit.ts";
import { AppError } from "../../runtime/errors.ts";
import type { FunctionDescription, HostDescription, UnitDescription } from "./host-description.ts";
import type { FunctionEntry, HostFile, UnitEntry } from "./host-schema.ts";

/**
 * Fills in everything that HOST.yaml leaves out: defaults, IOMMU groups, host bridges, virtual functions. Pure.
 * @throws SIMULATION_INVALID when entries contradict each other, naming the entry.
 */
export function expandHost(file: HostFile, images: HostDescription["images"]): HostDescription {
  const units = file.units.map((unit) => expandUnit(unit, file.unitDefaults));
  const groups = groupNumbers(file.functions);
  const functions: FunctionDescription[] = [];
  for (const entry of file.functions) {
    const physical = expandFunction(entry, file, { units, groups });
    functions.push(physical, ...expandVirtual(entry, physical, groups));
  }
  const host = { summary: file.summary, module: file.module, tsm: file.tsm, iommufd: file.iommufd, units, functions, images };
  checkHost(host);
  return host;
}

function expandUnit(unit: UnitEntry, defaults: HostFile["unitDefaults"]): UnitDescription {
  const { name, regBase, segment, numaNode, domainsUsed } = unit;
  const ecap = BigInt(`0x${unit.ecap ?? defaults.ecap}`);
  const withFlag = unit.tdxConnect === undefined ? ecap : unit.tdxConnect ? ecap | ECAP_TDX_CONNECT : ecap & ~ECAP_TDX_CONNECT;
  const version = unit.version ?? defaults.version ?? "6:0";
  return { name, regBase, segment, numaNode, version, cap: unit.cap ?? defaults.cap, ecap: withFlag.toString(16), domainsUsed };
}

interface Expansion {
  readonly units: readonly UnitDescription[];
  readonly groups: () => string;
}

function expandFunction(entry: FunctionEntry, file: HostFile, { units, groups }: Expansion): FunctionDescription {
  const unit = units.find((one) => one.name === entry.unit) ?? null;
  const bus = busOf(entry.address);
  const bridge = file.bridges[bus] ?? null;
  return {
    address: entry.address,
    unit: entry.unit,
    iommuGroup: entry.iommuGroup ?? (entry.unit === null ? null : groups()),
    numaNode: entry.numaNode === undefined ? (unit?.numaNode ?? null) : entry.numaNode,
    vendor: entry.vendor,
    device: entry.device,
    class: entry.class,
    revision: entry.revision,
    bridge,
    hostBridge: `pci${rootBusOf(bus, file.bridges)}`,
    driver: entry.driver,
    teeIo: entry.teeIo,
    ideStreams: entry.ideStreams,
    image: entry.image ?? null,
    configBytes: entry.configBytes,
    secured: entry.secured,
    physicalFunction: null,
    totalVfs: entry.vfs?.count ?? 0,
    virtualFunctions: entry.vfs === undefined ? [] : virtualAddresses(entry.address, entry.vfs),
  };
}

/** A virtual function is below the same bridge, unit and node as its physical function; it has an IOMMU group of its own. */
function expandVirtual(entry: FunctionEntry, physical: FunctionDescription, groups: () => string): FunctionDescription[] {
  return physical.virtualFunctions.map((address) => ({
    ...physical,
    address,
    iommuGroup: physical.unit === null ? null : groups(),
    device: entry.vfs?.device ?? physical.device,
    driver: entry.vfs?.driver === undefined ? physical.driver : entry.vfs.driver,
    teeIo: false,
    ideStreams: 0,
    image: null,
    secured: false,
    physicalFunction: physical.address,
    totalVfs: 0,
    virtualFunctions: [],
  }));
}

function virtualAddresses(physical: Address, vfs: NonNullable<FunctionEntry["vfs"]>): Address[] {
  const [segment = "", bus = "", rest = ""] = physical.split(":");
  const [device = "", fn = ""] = rest.split(".");
  const first = Number.parseInt(bus, 16) * 256 + Number.parseInt(device, 16) * 8 + Number(fn) + vfs.firstOffset;
  return Array.from({ length: vfs.count }, (_, index) => {
    const id = first + index * vfs.stride;
    const digits = (value: number): string => value.toString(16).padStart(2, "0");
    return `${segment}:${digits(id >> 8)}:${digits((id >> 3) & 31)}.${id & 7}`;
  });
}

/** Follows the bridges up to the bus that has none above it. */
function rootBusOf(bus: string, bridges: HostFile["bridges"]): string {
  let at = bus;
  for (let hops = 0; hops <= 256; hops++) {
    const above = bridges[at];
    if (above === undefined) return at;
    at = busOf(above);
  }
  throw invalid(`bridges: the bridges above bus ${bus} lead round in a circle; let one bus have none`);
}

/** Gives out numbers that no entry has taken. */
function groupNumbers(entries: readonly FunctionEntry[]): () => string {
  const taken = new Set(entries.map((entry) => entry.iommuGroup));
  let next = 0;
  return () => {
    while (taken.has(String(next))) next++;
    return String(next++);
  };
}

function checkHost(host: HostDescription): void {
  const names = new Set(host.units.map((unit) => unit.name));
  const addresses = new Set(host.functions.map((one) => one.address));
  refuseTwice(
    "unit",
    host.units.map((unit) => unit.name),
  );
  refuseTwice(
    "register base",
    host.units.map((unit) => unit.regBase),
  );
  refuseTwice(
    "function",
    host.functions.map((one) => one.address),
  );
  for (const one of host.functions) {
    const at = `function ${one.address}`;
    if (one.unit !== null && !names.has(one.unit)) throw invalid(`${at}: unit ${one.unit} is not listed under units`);
    if (one.bridge !== null && !addresses.has(one.bridge)) throw invalid(`${at}: the bridge above its bus, ${one.bridge}, is not a function`);
    if (one.image !== null && host.images[one.image] === undefined) throw invalid(`${at}: image ${one.image} is not listed under images`);
    if (!isPciAddress(one.address)) throw invalid(`${at}: beyond bus ff; use more segments or fewer functions`);
    if (one.secured && !canSecure(one)) throw invalid(`${at}: secured needs function 0, ideStreams (or an image with IDE) and no physical function`);
  }
}

/** Only function 0 of a slot carries a link of its own. */
function canSecure(one: FunctionDescription): boolean {
  return one.address.endsWith(".0") && one.physicalFunction === null && (one.ideStreams > 0 || one.image !== null);
}

function refuseTwice(what: string, keys: readonly string[]): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) throw invalid(`${what} ${key} is there twice; remove one`);
    seen.add(key);
  }
}

function invalid(problem: string): AppError {
  return new AppError("SIMULATION_INVALID", problem);
}
