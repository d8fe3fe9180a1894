// SPDX-License-Identifier: Apache-2.0
import { isPciAddress } from "../domain/address.ts";
import { type Address, isVfioDriver } from "../domain/device.ts";
import type { Capabilities } from "./capabilities.ts";
import { readConfigFile } from "./config-file.ts";
import { baseName, type FileReading, isPresent, readNames, readRareTarget, readStamp, readTarget, readText } from "./reading.ts";
import { type Place, placeOf } from "./topology.ts";

/** What stays the same as long as the function's directory is the same one. */
interface Identity {
  readonly stamp: string;
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
  readonly numaNode: number | null;
  readonly place: Place;
  /** Missing: a physical function. Unreadable: a virtual one whose physical function cannot be told. */
  readonly physicalFunction: FileReading<Address>;
}

/** One function's own files but for its configuration space, which is read after `tsm/` of its slot. */
export interface BareFacts {
  readonly address: Address;
  readonly identity: Identity;
  readonly iommuGroup: FileReading<string>;
  /** Kernel name of the unit the `iommu` link leads to. */
  readonly unitName: FileReading<string>;
  readonly driver: FileReading<string>;
  /** `vfioN` when a vfio driver holds the function. Missing says nothing of who has it open: see holders.ts. */
  readonly vfioName: FileReading<string>;
  /** A `tsm/` group is there. */
  readonly hasTsm: boolean;
}

/** One function's own files, not yet seen together with function 0 of its slot. */
export interface FunctionFacts extends BareFacts {
  /** Null for virtual functions: they carry no TEE-I/O, IDE or DOE capability of their own. */
  readonly capabilities: Capabilities | null;
}

/** What one function's reading may reuse from the one before. */
export type FactsCache = Map<Address, FunctionFacts>;

/** Where to read and what the rest of the reading already knows. */
export interface FunctionSource {
  /** `/sys/bus/pci/devices` below the root. */
  readonly directory: string;
  readonly cache: FactsCache;
  /** False when no TSM is registered: then no function has a `tsm/` group. */
  readonly tsmRegistered: boolean;
}

/** Reads one function's own files; null when it is not (or no longer) on the bus. */
export function readFunction(source: FunctionSource, address: Address): BareFacts | null {
  const path = `${source.directory}/${address}`;
  const stamp = readStamp(path);
  if (stamp.kind === "Missing") {
    source.cache.delete(address);
    return null;
  }
  const before = source.cache.get(address);
  const known = stamp.kind === "Value" && before?.identity.stamp === stamp.value ? before : null;
  const identity = known?.identity ?? readIdentity(path, stamp.kind === "Value" ? stamp.value : "");
  if (identity === null) return null;
  const driver = mapName(readRareTarget(`${path}/driver`));
  return {
    address,
    identity,
    iommuGroup: known?.iommuGroup.kind === "Value" ? known.iommuGroup : mapName(readTarget(`${path}/iommu_group`)),
    unitName: mapName(readTarget(`${path}/iommu`)),
    driver,
    vfioName: readVfioName(path, driver),
    hasTsm: source.tsmRegistered && isPresent(`${path}/tsm`),
  };
}

/** Adds what the configuration space says. `isFresh`: whatever it said before. */
export function withCapabilities({ directory, cache }: FunctionSource, bare: BareFacts, isFresh = false): FunctionFacts {
  const before = cache.get(bare.address);
  const known = !isFresh && before?.identity === bare.identity ? before : null;
  const facts = { ...bare, capabilities: readOwnCapabilities(`${directory}/${bare.address}`, bare.identity, known) };
  cache.set(bare.address, facts);
  return facts;
}

/**
 * Reading configuration space wakes a sleeping device, so a plain No (no TEE-I/O, no IDE) is kept for as long as the directory is the same; a
 * capability that can lead to an offer or to a secured link is read every time. So is the root port above a link that a TSM has connected: it is awake,
 * and has IDE, whatever it showed before.
 */
function readOwnCapabilities(path: string, identity: Identity, known: FunctionFacts | null): Capabilities | null {
  if (identity.physicalFunction.kind !== "Missing") return null;
  const before = known?.capabilities ?? null;
  if (before !== null && before.teeIo === "No" && before.ide.kind === "Absent") return before;
  return readConfigFile(`${path}/config`);
}

function readIdentity(path: string, stamp: string): Identity | null {
  const vendor = readText(`${path}/vendor`);
  const device = readText(`${path}/device`);
  const classCode = readText(`${path}/class`);
  const physicalFunction = mapAddress(readRareTarget(`${path}/physfn`));
  const target = readTarget(path);
  if (vendor.kind === "Missing" && target.kind === "Missing") return null; // Vanished since the stamp was read.
  return {
    stamp: [vendor, device, classCode].every((text) => text.kind === "Value") ? stamp : "", // What failed once is read again next time.
    vendor: readHexDigits(vendor, 4),
    device: readHexDigits(device, 4),
    class: readHexDigits(classCode, 6).slice(0, 4),
    numaNode: readNumaNode(`${path}/numa_node`),
    place: placeOf(target.kind === "Value" ? target.value : ""),
    physicalFunction,
  };
}

/** `0x10de` → `10de`; empty when the text is anything else, which no selector matches. */
function readHexDigits(text: FileReading<string>, digits: number): string {
  const value = text.kind === "Value" ? text.value.toLowerCase() : "";
  return value.length === digits + 2 && /^0x[0-9a-f]+$/.test(value) ? value.slice(2) : "";
}

/** The kernel writes -1 when the firmware names no node. */
function readNumaNode(path: string): number | null {
  const text = readText(path);
  return text.kind === "Value" && /^\d{1,6}$/.test(text.value) ? Number(text.value) : null;
}

function mapName(target: FileReading<string>): FileReading<string> {
  return target.kind === "Value" ? { kind: "Value", value: baseName(target.value) } : target;
}

function mapAddress(target: FileReading<string>): FileReading<Address> {
  const name = mapName(target);
  if (name.kind !== "Value" || isPciAddress(name.value)) return name;
  return { kind: "Unreadable", why: "physfn does not lead to a function" };
}

/** Any vfio driver (vfio-pci, a vendor's variant) makes a `vfio-dev` directory with one entry; other drivers are not asked. */
function readVfioName(path: string, driver: FileReading<string>): FileReading<string> {
  if (driver.kind !== "Value" || !isVfioDriver(driver.value)) return { kind: "Missing" };
  const names = readNames(`${path}/vfio-dev`);
  if (names.kind !== "Value") return names;
  const name = names.value.find((entry) => /^vfio\d+$/.test(entry));
  return name === undefined ? { kind: "Missing" } : { kind: "Value", value: name };
}
