// SPDX-License-Identifier: Apache-2.0

/** What the kernel's driver writes into the log, and which of its lines are of the load that is there now. Pure. */
import type { RegBase } from "../../domain/unit.ts";

/** By address or by kernel name, as the kernel's version has it. */
export type NamedUnit = { readonly regBase: RegBase } | { readonly kernelName: string };

interface At {
  /** The record's number: each is greater than all before it, in one boot. */
  readonly sequence: number;
  /** Seconds since the boot, as in `dmesg`. */
  readonly seconds: number;
}

/** A line in which the kernel says that it has set up a unit. */
export interface SetupLine extends At {
  readonly says: "SetUp";
  readonly unit: NamedUnit;
}

/** A line after which nothing is left of the load: one unit that fails ends it for all, and only an unload clears. */
export interface EndLine extends At {
  readonly says: "Ended";
}

export type LogLine = SetupLine | EndLine;

/**
 * Formats of the kernel trees that have SETUP, from the beginning of the message on: further in, it may be foreign text, such as what a USB device
 * calls itself. tdx_host puts no prefix of its own before its lines in one tree. A line that user space wrote is not the kernel's: see kernel-log.ts.
 */
const SETUP_FORMATS: readonly { readonly pattern: RegExp; readonly unit: (found: string) => NamedUnit }[] = [
  {
    pattern: /^(?:tdx_host: )?Trusted DMA for TEE\/IO initialized, regbase 0x([0-9a-f]{1,16})$/i,
    unit: (hex) => ({ regBase: `0x${BigInt(`0x${hex}`).toString(16)}` }),
  },
  { pattern: /^DMAR: Trusted IOMMU for TEE initialized on (dmar\d+)$/, unit: (kernelName) => ({ kernelName }) },
];

const END_FORMATS: readonly RegExp[] = [
  /^(?:tdx_host: )?TDH\.IOMMU\.(?:SETUP|CLEAR) failed\b/,
  /^DMAR: dmar\d+: Fail(?:ed)? to (?:initialize|disable) trusted DMA for TEE\b/,
];

/** The line, if it is the driver's and says what became of a unit. */
export function logLineOf(message: string, at: At): LogLine | null {
  for (const { pattern, unit } of SETUP_FORMATS) {
    const found = pattern.exec(message)?.[1];
    if (found !== undefined) return { ...at, says: "SetUp", unit: unit(found) };
  }
  return END_FORMATS.some((pattern) => pattern.test(message)) ? { ...at, says: "Ended" } : null;
}

/**
 * The lines after record `over` that can be of one load, the last. A load goes through the kernel's list of units once, so a line begins a new one when
 * its unit has been logged before, or comes before the one just logged in the order in which units first were. (Neither addresses nor names are in
 * that order: the kernel puts most units at the head of its list.) Too strict after units have come and gone, and that is the safe side.
 */
export function linesOfLastLoad(lines: readonly LogLine[], over: number): readonly SetupLine[] {
  const ranks = new Map<string, number>();
  let load: SetupLine[] = [];
  let last = -1;
  for (const line of lines.filter(({ sequence }) => sequence > over)) {
    if (line.says === "Ended") {
      load = [];
      last = -1;
      continue;
    }
    const key = "regBase" in line.unit ? line.unit.regBase : line.unit.kernelName;
    const rank = ranks.get(key) ?? ranks.size;
    ranks.set(key, rank);
    load = rank > last ? [...load, line] : [line];
    last = rank;
  }
  return load;
}
