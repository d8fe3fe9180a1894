// SPDX-License-Identifier: Apache-2.0
import { readdir } from "node:fs/promises";
import { compareAddress, isPciAddress } from "../domain/address.ts";
import type { Address, PciFunction, UnitOfFunction } from "../domain/device.ts";
import type { HostView } from "../domain/host.ts";
import type { FunctionInSlot, Slot } from "../domain/slot.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { AppError, faultOf } from "../runtime/errors.ts";
import { assembleFunction, assembleSlot, ownerOf, type Surroundings, speakerOf } from "./assemble.ts";
import { type UeventOptions, watchHost, watchUevents } from "./change.ts";
import { type BareFacts, type FactsCache, type FunctionFacts, isVfioDriver, readFunction, withCapabilities } from "./functions.ts";
import { type HolderScan, type HolderSearch, holdersOf, NO_HOLDER_TO_FIND, NOT_ASKED } from "./holders.ts";
import { type HostPaths, hostPaths, VFIO_DEVICES_ON_HOST } from "./paths.ts";
import type { HostLook, HostPort } from "./port.ts";
import { type ScanDevices, scanHolders } from "./processes.ts";
import { isPresent, type Reading, readNames, readText } from "./reading.ts";
import { createSharedScan, type SharedScan } from "./shared-scan.ts";
import { inSlices, nextTurn, type Pause, type SliceOptions } from "./slices.ts";
import { findStrays } from "./strays.ts";
import { type NamedStream, readStreams } from "./streams.ts";
import { createTsmReader, NO_TSM, type ReadAttribute, type TsmAttribute, type TsmReader, type TsmReading } from "./tsm.ts";
import { NO_UNITS, readOneUnit, readUnits, type UnitReadings } from "./units.ts";

/** What the reader is given. Only `root` is needed outside tests. */
export interface HostReaderOptions {
  /** Where `sys`, `proc` and `dev` are found: `/` on a real node. */
  readonly root: string;
  readonly clock?: Clock;
  /** How long one `tsm/*` attribute may take. */
  readonly tsmDeadlineMs?: number;
  readonly pause?: Pause;
  /** Interrupts a read that hangs in the kernel. Without it such a read keeps a thread until the kernel lets go. */
  readonly readAttribute?: ReadAttribute;
  /** Looks through the processes of a real `/proc`. Without it one is unreadable; a rendered tree needs none. */
  readonly scanDevices?: ScanDevices;
  /** The kernel's news; a simulated host has none. */
  readonly uevents?: Omit<UeventOptions, "clock"> | null;
}

/** Ten times what a busy machine needs for an attribute; a read that takes longer is stuck behind a disconnect. */
const TSM_DEADLINE_MS = 200;

/** A process that opens files faster than they are read must not hold up everything: what is not found by then is unreadable. */
const SCAN_DEADLINE_MS = 5_000;

/** How long a call of kubelet may wait for a scan. */
const FUNCTION_SCAN_MS = 50;

interface Reader {
  readonly paths: HostPaths;
  readonly cache: FactsCache;
  readonly tsm: TsmReader;
  readonly slices: SliceOptions;
  readonly scan: SharedScan;
}

/** The one reader of a host's tree, real or simulated. Holds no handle besides its watches; every reading starts from the files. */
export function createHostReader(options: HostReaderOptions): HostPort {
  const { root, clock = systemClock, tsmDeadlineMs = TSM_DEADLINE_MS, pause = nextTurn, readAttribute, uevents = null } = options;
  const paths = hostPaths(root);
  const slices = { clock, pause };
  const search = { paths, slices, scanDevices: options.scanDevices ?? null, deadlineMs: SCAN_DEADLINE_MS };
  const reader: Reader = {
    paths,
    cache: new Map(),
    tsm: createTsmReader({ clock, deadlineMs: tsmDeadlineMs, ...(readAttribute ? { readAttribute } : {}) }),
    slices,
    scan: createSharedScan(clock, () => scanHolders(search)),
  };
  return {
    observe: (look) => observe(reader, look),
    observeFunction: (address) => observeFunction(reader, address),
    bootId: async () => bootIdOf(reader),
    onChange: (listener) => {
      const stops = [watchHost(reader.paths, listener)];
      if (uevents) stops.push(watchUevents({ ...uevents, clock }, listener));
      return () => stops.forEach((stop) => void stop());
    },
  };
}

/** The units alone, as `observe` reads them. @throws HOST_UNREADABLE when they can't be listed */
export function listUnits(root: string): Promise<UnitReadings> {
  return readUnits(hostPaths(root).units, { clock: systemClock, pause: nextTurn });
}

async function observe(reader: Reader, look?: HostLook): Promise<HostView> {
  const { paths, slices, cache } = reader;
  const bootId = bootIdOf(reader);
  const units = await readUnits(paths.units, slices);
  const addresses = await listFunctions(paths.functions);
  const source = { directory: paths.functions, cache, tsmRegistered: isTsmRegistered(paths) };
  const bare = new Map<Address, BareFacts>();
  const readOne = (address: Address): void => {
    const one = readFunction(source, address);
    if (one !== null) bare.set(address, one);
  };
  await inSlices(addresses, readOne, slices);
  for (const address of cache.keys()) if (!bare.has(address)) cache.delete(address);
  const tsm = await readTsm(reader, { facts: bare, wanted: bare.values(), bound: "Always" });
  const facts = new Map<Address, FunctionFacts>();
  await inSlices(bare.values(), (one) => facts.set(one.address, withCapabilities(source, one)), slices);
  const functions: PciFunction[] = [];
  const around = surroundings(reader, { facts, tsm, unitOf: (one) => unitByName(one.unitName, units) });
  await inSlices(facts.values(), (one) => functions.push(assembleFunction(one, around, NOT_ASKED)), slices);
  const isWanted = look === undefined || functions.some(look.wantsHolders);
  const scan = look?.age === "Recent" ? reader.scan.thrifty : reader.scan.fresh;
  const search = isWanted ? await searchHolders(reader, facts, scan) : NOT_ASKED;
  const slots: Slot[] = [];
  const members = Map.groupBy(facts.values(), ownerOf);
  await inSlices(members, ([owner, on]) => slots.push(assembleSlot(owner, on, around)), slices);
  const held = functions.map((fn): PciFunction => {
    const own = facts.get(fn.address);
    return own === undefined ? fn : { ...fn, holders: holdersOf(own, search) };
  });
  const { regBaseOf: _, ...listed } = units;
  return { bootId, ...listed, functions: held, slots };
}

function bootIdOf({ paths }: Pick<Reader, "paths">): string | null {
  const reading = readText(paths.bootId);
  return reading.kind === "Value" ? reading.value : null;
}

async function observeFunction(reader: Reader, address: Address): Promise<FunctionInSlot | null> {
  if (!isPciAddress(address)) return null; // Kubelet's word becomes a path below: nothing but an address may.
  // For one function, looking for its `tsm/` group costs less than asking the class.
  const source = { directory: reader.paths.functions, cache: reader.cache, tsmRegistered: true };
  const own = readFunction(source, address);
  if (own === null) return null;
  const owner = ownerOf(own);
  const bare = new Map([[address, own]]);
  for (const other of [speakerOf(own), ...siblingsWithIde(reader, owner)]) {
    const one = other === null || bare.has(other) ? null : readFunction(source, other);
    if (one !== null) bare.set(one.address, one);
  }
  const tsm = await readTsm(reader, { facts: bare, wanted: [own], bound: "WhenConnected" });
  const { rootPort } = own.identity.place;
  // Of the root port only the registers count.
  const port = tsm.size > 0 && rootPort !== null ? (reader.cache.get(rootPort) ?? readFunction(source, rootPort)) : null;
  if (port !== null) bare.set(port.address, port);
  const facts = new Map([...bare.values()].map((one) => [one.address, withCapabilities(source, one)]));
  const around = surroundings(reader, { facts, tsm, unitOf: (one) => unitByLink(reader, one) });
  const search = hasOtherDriver(own) ? NOT_ASKED : await searchHolders(reader, reader.cache, () => reader.scan.recent(FUNCTION_SCAN_MS));
  const fn = assembleFunction(facts.get(address) ?? withCapabilities(source, own), around, search);
  const members = [...facts.values()].filter((one) => ownerOf(one) === owner).sort((a, b) => compareAddress(a.address, b.address));
  return { fn, slot: assembleSlot(owner, members, around) };
}

/** Other functions of the slot that the last look found with IDE registers, or could not read. There are none where the specification is kept. */
function siblingsWithIde({ cache }: Reader, owner: Address): readonly Address[] {
  return FUNCTION_NUMBERS.map((number) => `${owner.slice(0, -1)}${number}`).filter((address) => {
    const known = cache.get(address);
    return known?.capabilities != null && known.capabilities.ide.kind !== "Absent" && ownerOf(known) === owner;
  });
}

const FUNCTION_NUMBERS = [0, 1, 2, 3, 4, 5, 6, 7];

async function listFunctions(directory: string): Promise<Address[]> {
  try {
    return (await readdir(directory)).filter(isPciAddress).sort(compareAddress);
  } catch (thrown) {
    throw new AppError("HOST_UNREADABLE", `${directory} cannot be listed: ${faultOf(thrown)}`, { cause: thrown, details: { path: directory } });
  }
}

/** Only a class that is readable and empty says that no function can have a `tsm/` group. */
function isTsmRegistered(paths: HostPaths): boolean {
  const names = readNames(paths.tsm);
  return names.kind === "Unreadable" || (names.kind === "Value" && names.value.length > 0);
}

interface TsmWanted {
  readonly facts: ReadonlyMap<Address, BareFacts>;
  readonly wanted: Iterable<BareFacts>;
  /** A TDI is bound only below a connected function 0. An observation reads both; one Allocate is spared the second trip to a thread. */
  readonly bound: "Always" | "WhenConnected";
}

/**
 * What the links of `wanted` depend on: `tsm/bound` of each, and `tsm/connect` and `tsm/dsm` of the function 0 that speaks for it. Registers are read after: a link
 * that is being secured meanwhile would else show a TSM and no stream, and one that is being released a stream without a TSM.
 */
async function readTsm(reader: Reader, { facts, wanted, bound }: TsmWanted): Promise<Map<Address, TsmReading>> {
  const readings = new Map<Address, TsmReading>();
  const read = async (one: BareFacts, slot: Address, attribute: TsmAttribute): Promise<void> => {
    const known = readings.get(one.address) ?? NO_TSM;
    if (known[attribute].kind !== "Missing") return;
    const path = `${reader.paths.functions}/${one.address}`;
    const { connect } = readings.get(slot) ?? NO_TSM;
    // One lock for both: the second read would wait out its time as well.
    const reading = attribute !== "connect" && connect.kind === "Blocked" ? connect : await reader.tsm.read(slot, path, attribute);
    readings.set(one.address, { ...(readings.get(one.address) ?? NO_TSM), [attribute]: reading });
  };
  for (const one of wanted) {
    const slot = speakerOf(one) ?? one.address;
    const speaker = facts.get(slot) ?? one;
    // Most functions of a host have none: thousands of promises for nothing otherwise.
    if (speaker.hasTsm) await read(speaker, slot, "connect");
    const connect = readings.get(speaker.address)?.connect;
    const isFree = connect?.kind === "Value" && connect.value === "";
    if (connect?.kind === "Value" && !isFree) await read(speaker, slot, "dsm");
    if (one.hasTsm && (bound === "Always" || !isFree)) await read(one, slot, "bound");
  }
  return readings;
}

interface Gathered {
  readonly facts: ReadonlyMap<Address, FunctionFacts>;
  readonly tsm: ReadonlyMap<Address, TsmReading>;
  readonly unitOf: (facts: FunctionFacts) => UnitOfFunction;
}

function surroundings(reader: Reader, { facts, tsm, unitOf }: Gathered): Surroundings {
  const streams = new Map<string, Reading<readonly NamedStream[]>>();
  const streamsOf = (bridgePath: string | null): Reading<readonly NamedStream[]> => {
    if (bridgePath === null) return { kind: "Missing" };
    const known = streams.get(bridgePath) ?? readStreams(reader.paths.sys, bridgePath);
    streams.set(bridgePath, known);
    return known;
  };
  return {
    streamsOf,
    factsOf: (address) => facts.get(address) ?? null,
    tsmOf: (address) => tsm.get(address) ?? null,
    unitOf,
    vfioCdevOf: (one) => vfioCdevOf(reader.paths, one),
  };
}

/** @param functions all that are on the bus: a node that is open and that none of them has may belong to any of them */
async function searchHolders(
  { paths }: Reader,
  functions: ReadonlyMap<Address, FunctionFacts>,
  scan: () => Promise<HolderScan>,
): Promise<HolderSearch> {
  if (!isAnyOnVfio(functions) && !mayHaveVfio(paths)) return NO_HOLDER_TO_FIND;
  const found = await scan();
  return { scan: found, strays: findStrays(paths, functions.values(), found) };
}

function isAnyOnVfio(functions: ReadonlyMap<Address, FunctionFacts>): boolean {
  for (const { driver } of functions.values()) if (driver.kind === "Value" && isVfioDriver(driver.value)) return true;
  return false;
}

/** None can be bound while vfio still has the function. */
function hasOtherDriver({ driver }: BareFacts): boolean {
  return driver.kind === "Value" && !isVfioDriver(driver.value);
}

/**
 * False only when no process can have a vfio device open, which spares the scan. A group stays in its class until the unbind of its device has ended;
 * a kernel without the group interface shows no more than that vfio is there at all.
 */
function mayHaveVfio(paths: HostPaths): boolean {
  const groups = readNames(paths.vfioGroups);
  return groups.kind === "Value" ? groups.value.length > 0 : groups.kind === "Unreadable" || isPresent(paths.vfioClass);
}

/** A kernel without IOMMUFD has `vfio-dev/vfioN` and no node in `/dev/vfio/devices`. */
function vfioCdevOf(paths: HostPaths, { vfioName }: FunctionFacts): string | null {
  if (vfioName.kind !== "Value" || !isPresent(`${paths.vfioDevices}/${vfioName.value}`)) return null;
  return `${VFIO_DEVICES_ON_HOST}/${vfioName.value}`;
}

function unitByName(name: Reading<string>, { regBaseOf, otherKinds }: Pick<UnitReadings, "regBaseOf" | "otherKinds">): UnitOfFunction {
  if (name.kind === "Missing") return { kind: "None" };
  if (name.kind === "Unreadable") return { kind: "Unreadable", why: `iommu: ${name.why}` };
  const regBase = regBaseOf.get(name.value);
  if (regBase !== undefined) return { kind: "Unit", regBase, kernelName: name.value };
  return { kind: "Unreadable", why: otherKinds.includes(name.value) ? `${name.value} is no VT-d unit` : `no readable unit ${name.value}` };
}

function unitByLink(reader: Reader, { unitName }: FunctionFacts): UnitOfFunction {
  return unitByName(unitName, unitName.kind === "Value" ? readOneUnit(reader.paths.units, unitName.value) : NO_UNITS);
}
