// SPDX-License-Identifier: Apache-2.0
import type { HostUnit, HostView } from "../domain/host.ts";
import { compareRegBase, parseRegBase, type RegBase } from "../domain/unit.ts";
import { AppError } from "../runtime/errors.ts";
import { type FileReading, readNames, readText } from "./reading.ts";
import { inSlices, type SliceOptions } from "./slices.ts";

/** The units of one reading, also by kernel name, which is how functions refer to them. */
export interface UnitReadings extends Pick<HostView, "units" | "unreadableUnits" | "otherKinds"> {
  readonly regBaseOf: ReadonlyMap<string, RegBase>;
}

/** Reads every unit below `directory` (`/sys/class/iommu`). @throws HOST_UNREADABLE when it is there and cannot be listed. */
export async function readUnits(directory: string, slices: SliceOptions): Promise<UnitReadings> {
  const names = readNames(directory);
  if (names.kind === "Unreadable") {
    throw new AppError("HOST_UNREADABLE", `${directory} cannot be listed: ${names.why}`, { details: { path: directory } });
  }
  const units = new Map<RegBase, HostUnit>();
  const regBaseOf = new Map<string, RegBase>();
  const unreadableUnits: { kernelName: string; why: string }[] = [];
  const otherKinds: string[] = [];
  const readOne = (kernelName: string): void => {
    const unit = readUnit(directory, kernelName);
    if (unit.kind === "Other") return void otherKinds.push(kernelName);
    if (unit.kind === "Missing") return; // Hot-removed between listing and reading.
    const twin = unit.kind === "Value" ? units.get(unit.value.regBase) : undefined;
    if (unit.kind === "Unreadable") unreadableUnits.push({ kernelName, why: unit.why });
    else if (twin !== undefined) unreadableUnits.push({ kernelName, why: `it has the address of ${twin.kernelName}` });
    else {
      units.set(unit.value.regBase, unit.value);
      regBaseOf.set(kernelName, unit.value.regBase);
    }
  };
  await inSlices(names.kind === "Value" ? names.value : [], readOne, slices);
  return { units: [...units.values()].sort((a, b) => compareRegBase(a.regBase, b.regBase)), unreadableUnits, otherKinds, regBaseOf };
}

export const NO_UNITS: Pick<UnitReadings, "regBaseOf" | "otherKinds"> = { regBaseOf: new Map(), otherKinds: [] };

/** The one unit of that name, as far as it takes to place a function. */
export function readOneUnit(directory: string, kernelName: string): typeof NO_UNITS {
  const key = readKey(directory, kernelName);
  if (key.kind === "Value") return { ...NO_UNITS, regBaseOf: new Map([[kernelName, key.value]]) };
  return key.kind === "Other" ? { ...NO_UNITS, otherKinds: [kernelName] } : NO_UNITS;
}

interface OtherKind {
  readonly kind: "Other";
}

function readUnit(directory: string, kernelName: string): FileReading<HostUnit> | OtherKind {
  const regBase = readKey(directory, kernelName);
  if (regBase.kind !== "Value") return regBase;
  const base = `${directory}/${kernelName}/intel-iommu`;
  return {
    kind: "Value",
    value: {
      regBase: regBase.value,
      kernelName,
      cap: readHex(`${base}/cap`),
      ecap: readHex(`${base}/ecap`),
      domainsSupported: readCount(`${base}/domains_supported`),
      domainsUsed: readCount(`${base}/domains_used`),
    },
  };
}

/** `Other`: an IOMMU of another kind. The kernel gives every VT-d unit the group `intel-iommu`, and nothing else has it. */
function readKey(directory: string, kernelName: string): FileReading<RegBase> | OtherKind {
  const regBase = readRegBase(`${directory}/${kernelName}/intel-iommu`);
  if (regBase.kind !== "Missing") return regBase;
  // One that just went away has no directory at all.
  const own = readNames(`${directory}/${kernelName}`);
  if (own.kind === "Missing") return own;
  const isOther = own.kind === "Value" && !own.value.includes("intel-iommu");
  return isOther ? { kind: "Other" } : { kind: "Unreadable", why: "it has no intel-iommu/address" };
}

const PAGE_MASK = 0xfffn;

/** The key of a unit from its `intel-iommu` directory: `address` is lower-case hex without 0x, the page-aligned base of a register block. */
function readRegBase(directory: string): FileReading<RegBase> {
  const text = readText(`${directory}/address`);
  if (text.kind !== "Value") return text;
  const regBase = parseRegBase(`0x${text.value}`);
  if (regBase === null || BigInt(regBase) === 0n || (BigInt(regBase) & PAGE_MASK) !== 0n) {
    return { kind: "Unreadable", why: `address reads "${printable(text.value)}", not the base of a register block` };
  }
  return { kind: "Value", value: regBase };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 32);
}

function readHex(path: string): bigint | null {
  const text = readText(path);
  return text.kind === "Value" && /^[0-9a-f]{1,16}$/i.test(text.value) ? BigInt(`0x${text.value}`) : null;
}

function readCount(path: string): number | null {
  const text = readText(path);
  return text.kind === "Value" && /^\d{1,9}$/.test(text.value) ? Number(text.value) : null;
}
