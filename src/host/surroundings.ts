// SPDX-License-Identifier: Apache-2.0

/** What one reading of the host is made with, and what the entry of one function in it depends on besides its own files. */
import { type Address, isVfioDriver, type UnitOfFunction } from "../domain/device.ts";
import type { Surroundings } from "./assemble.ts";
import type { BindingSearch } from "./binding.ts";
import type { FactsCache, FunctionFacts } from "./functions.ts";
import { type HolderScan, type HolderSearch, NO_HOLDER_TO_FIND } from "./holders.ts";
import { type HostPaths, VFIO_DEVICES_ON_HOST } from "./paths.ts";
import { type FileReading, isPresent, readNames } from "./reading.ts";
import type { SharedScan } from "./shared-scan.ts";
import type { SliceOptions } from "./slices.ts";
import { findStrays } from "./strays.ts";
import { type NamedStream, readStreams, readStreamsLeft } from "./streams.ts";
import type { TsmReader, TsmReading } from "./tsm.ts";
import { NO_UNITS, readOneUnit, type UnitReadings } from "./units.ts";

export interface Reader {
  readonly paths: HostPaths;
  readonly cache: FactsCache;
  readonly tsm: TsmReader;
  readonly slices: SliceOptions;
  readonly scan: SharedScan;
  readonly bindings: BindingSearch;
}

export interface Gathered {
  readonly facts: ReadonlyMap<Address, FunctionFacts>;
  readonly tsm: ReadonlyMap<Address, TsmReading>;
  readonly unitOf: (facts: FunctionFacts) => UnitOfFunction;
  readonly wasWritten: Surroundings["wasWritten"];
}

export function surroundings(reader: Reader, { facts, tsm, unitOf, wasWritten }: Gathered): Surroundings {
  const streams = new Map<string, FileReading<readonly NamedStream[]>>();
  const streamsOf = (bridgePath: string | null): FileReading<readonly NamedStream[]> => {
    if (bridgePath === null) return { kind: "Missing" };
    const known = streams.get(bridgePath) ?? readStreams(reader.paths.sys, bridgePath);
    streams.set(bridgePath, known);
    return known;
  };
  const left = new Map<string, number | null>();
  const streamsLeftOf = (bridgePath: string | null): number | null => {
    if (bridgePath === null) return null;
    const known = left.has(bridgePath) ? (left.get(bridgePath) ?? null) : readStreamsLeft(reader.paths.sys, bridgePath);
    left.set(bridgePath, known);
    return known;
  };
  return {
    streamsOf,
    streamsLeftOf,
    tsms: readTsms(reader.paths.tsm),
    factsOf: (address) => facts.get(address) ?? null,
    tsmOf: (address) => tsm.get(address) ?? null,
    unitOf,
    wasWritten,
    vfioCdevOf: (one) => vfioCdevOf(reader.paths, one),
  };
}

/** @param functions all that are on the bus: a node that is open and that none of them has may belong to any of them */
export async function searchHolders(
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

/**
 * False only when no process can have a vfio device open, which spares the scan. A group stays in its class until the unbind of its device has ended;
 * a kernel without the group interface shows no more than that vfio is there at all.
 */
function mayHaveVfio(paths: HostPaths): boolean {
  const groups = readNames(paths.vfioGroups);
  return groups.kind === "Value" ? groups.value.length > 0 : groups.kind === "Unreadable" || isPresent(paths.vfioClass);
}

/** Link TSMs that are registered, in order; none also on a kernel without TSM core. */
function readTsms(path: string): readonly string[] {
  const names = readNames(path);
  return names.kind === "Value" ? names.value.filter((name) => /^tsm\d+$/.test(name)).sort() : [];
}

/** A kernel without IOMMUFD has `vfio-dev/vfioN` and no node in `/dev/vfio/devices`. */
function vfioCdevOf(paths: HostPaths, { vfioName }: FunctionFacts): string | null {
  if (vfioName.kind !== "Value" || !isPresent(`${paths.vfioDevices}/${vfioName.value}`)) return null;
  return `${VFIO_DEVICES_ON_HOST}/${vfioName.value}`;
}

export function unitByName(name: FileReading<string>, { regBaseOf, otherKinds }: Pick<UnitReadings, "regBaseOf" | "otherKinds">): UnitOfFunction {
  if (name.kind === "Missing") return { kind: "None" };
  if (name.kind === "Unreadable") return { kind: "Unreadable", why: `iommu: ${name.why}` };
  const regBase = regBaseOf.get(name.value);
  if (regBase !== undefined) return { kind: "Unit", regBase, kernelName: name.value };
  return { kind: "Unreadable", why: otherKinds.includes(name.value) ? `${name.value} is no VT-d unit` : `no readable unit ${name.value}` };
}

export function unitByLink(reader: Reader, { unitName }: FunctionFacts): UnitOfFunction {
  return unitByName(unitName, unitName.kind === "Value" ? readOneUnit(reader.paths.units, unitName.value) : NO_UNITS);
}
