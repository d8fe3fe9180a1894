// SPDX-License-Identifier: Apache-2.0
import { readdir } from "node:fs/promises";
import { compareAddress, isPciAddress } from "../domain/address.ts";
import type { Address, Binding, PciFunction } from "../domain/device.ts";
import type { HostView } from "../domain/host.ts";
import type { Slot } from "../domain/slot.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { AppError, faultOf } from "../runtime/errors.ts";
import { assembleFunction, assembleSlot, ownerOf } from "./assemble.ts";
import { readBinding } from "./binding.ts";
import { type UeventOptions, watchHost, watchUevents } from "./change.ts";
import { type BareFacts, type FunctionFacts, readFunction, withCapabilities } from "./functions.ts";
import { holdersOf, NOT_ASKED } from "./holders.ts";
import { observeFunction, readRegisters } from "./observe-function.ts";
import { type HostPaths, hostPaths } from "./paths.ts";
import type { HostLook, HostPort } from "./port.ts";
import { isProcfs, type ScanDevices, scanHolders } from "./processes.ts";
import { readTsm } from "./read-tsm.ts";
import { readNames, readText } from "./reading.ts";
import { createSharedScan } from "./shared-scan.ts";
import { inSlices, nextTurn, type Pause } from "./slices.ts";
import { type Reader, searchHolders, surroundings, unitByName } from "./surroundings.ts";
import { createTsmReader, isConnected, type ReadAttribute, type TsmReading } from "./tsm.ts";
import { readUnits, type UnitReadings } from "./units.ts";

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
    bindings: { paths, scanDevices: isProcfs(paths.proc) ? search.scanDevices : null, deadlineMs: SCAN_DEADLINE_MS },
  };
  return {
    observe: (look) => observe(reader, look),
    observeFunction: (address) => observeFunction(reader, address),
    linkRegisters: async (owner) => readRegisters(reader, owner),
    withoutTsm: (owner, work) => reader.tsm.without(owner, work),
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
  const wasWritten = reader.tsm.mark();
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
  const ports = portsAbove(bare, tsm);
  await inSlices(bare.values(), (one) => facts.set(one.address, withCapabilities(source, one, ports.has(one.address))), slices);
  const functions: PciFunction[] = [];
  const around = surroundings(reader, { facts, tsm, unitOf: (one) => unitByName(one.unitName, units), wasWritten });
  await inSlices(facts.values(), (one) => functions.push(assembleFunction(one, around, NOT_ASKED)), slices);
  const isWanted = look === undefined || functions.some(look.wantsHolders);
  const scan = look?.age === "Recent" ? reader.scan.thrifty : reader.scan.fresh;
  const search = isWanted ? await searchHolders(reader, facts, scan) : NOT_ASKED;
  const slots: Slot[] = [];
  const members = Map.groupBy(facts.values(), ownerOf);
  await inSlices(members, ([owner, on]) => slots.push(assembleSlot(owner, on, around)), slices);
  const bindings = await readBindings(reader, look === undefined ? [] : functions.filter(look.wantsBinding));
  const held = functions.map((fn): PciFunction => {
    const own = facts.get(fn.address);
    return own === undefined ? fn : { ...fn, holders: holdersOf(own, search), binding: bindings.get(fn.address) ?? null };
  });
  const { regBaseOf: _, ...listed } = units;
  return { bootId, ...listed, functions: held, slots };
}

/** One after the other: they are few, and each may look through all processes. */
async function readBindings({ bindings }: Reader, functions: readonly PciFunction[]): Promise<ReadonlyMap<Address, Binding>> {
  const found = new Map<Address, Binding>();
  for (const fn of functions) found.set(fn.address, await readBinding(bindings, fn));
  return found;
}

/** Root ports above links that a TSM has connected. */
function portsAbove(bare: ReadonlyMap<Address, BareFacts>, tsm: ReadonlyMap<Address, TsmReading>): ReadonlySet<Address> {
  const connected = [...tsm].filter(([, { connect }]) => isConnected(connect));
  return new Set(connected.flatMap(([address]) => bare.get(address)?.identity.place.rootPort ?? []));
}

function bootIdOf({ paths }: Pick<Reader, "paths">): string | null {
  const reading = readText(paths.bootId);
  return reading.kind === "Value" ? reading.value : null;
}

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
