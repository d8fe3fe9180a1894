// SPDX-License-Identifier: Apache-2.0

/**
 * What can be concluded about units on a kernel that owns SETUP. It shows no state and no id: its driver sets up all units, then registers a TSM.
 * Pure.
 */
import type { HostUnit } from "../../domain/device.ts";
import { domainsFromCap, ECAP_TDX_CONNECT, type RegBase, type UnitState } from "../../domain/unit.ts";

/** What was found of the kernel's driver. */
export interface KernelEvidence {
  /** `/sys/devices/faux/tdx_host` is there. */
  readonly driverLoaded: boolean;
  /** The TSM that is a child of it; null when there is none. `incarnation` differs for each registration. */
  readonly tsm: { readonly name: string; readonly incarnation: bigint } | null;
  /** This boot's kernel log, as far back as it goes; or why it can't be read. */
  readonly log: { readonly kind: "Read"; readonly lines: readonly SetupLine[] } | { readonly kind: "Unreadable"; readonly why: string };
}

/** A line in which the kernel says that it has set up a unit. */
export interface SetupLine {
  /** By address or by kernel name, as the kernel's version has it. */
  readonly unit: { readonly regBase: RegBase } | { readonly kernelName: string };
  /** Seconds since the boot, as in `dmesg`. */
  readonly seconds: number;
}

export interface Conclusion {
  readonly state: UnitState;
  /** All that was found, for and against, in words. */
  readonly evidence: string;
}

/**
 * Trusted needs both: the driver's TSM, which is registered when all units are set up and taken away before they are cleared, and this boot's line of
 * the unit itself, since a unit that the TDX module refused is passed over in silence. ECAP without TDX Connect contradicts both. A TSM with less is
 * Unknown, never Trusted; without a TSM nothing is.
 */
export function conclude(unit: HostUnit, found: KernelEvidence): Conclusion {
  const line = lineOf(unit, found);
  const evidence = [tsmWords(found), ecapWords(unit), lineWords(found, line), domainWords(unit)].join("; ");
  return { state: stateOf(unit, found, line), evidence };
}

function stateOf({ ecap }: HostUnit, { tsm }: KernelEvidence, line: SetupLine | null): UnitState {
  const canConnect = ecap !== null && (ecap & ECAP_TDX_CONNECT) !== 0n;
  if (tsm === null) return ecap !== null && !canConnect ? "Unsupported" : "Untrusted";
  if (!canConnect) return ecap !== null && line === null ? "Unsupported" : "Unknown";
  return line === null ? "Unknown" : "Trusted";
}

/** The last one: the driver may have been loaded more than once. */
function lineOf({ regBase, kernelName }: HostUnit, { log }: KernelEvidence): SetupLine | null {
  if (log.kind !== "Read") return null;
  const isIts = ({ unit }: SetupLine): boolean => ("regBase" in unit ? unit.regBase === regBase : unit.kernelName === kernelName);
  return log.lines.findLast(isIts) ?? null;
}

function tsmWords({ driverLoaded, tsm }: KernelEvidence): string {
  if (tsm !== null) return `${tsm.name} of tdx_host`;
  return driverLoaded ? "tdx_host has no TSM" : "tdx_host is not loaded";
}

function ecapWords({ ecap }: HostUnit): string {
  if (ecap === null) return "ecap unreadable";
  return (ecap & ECAP_TDX_CONNECT) === 0n ? "ecap without TDX Connect" : "ecap with TDX Connect";
}

function lineWords({ log }: KernelEvidence, line: SetupLine | null): string {
  if (log.kind !== "Read") return `kernel log unreadable (${log.why})`;
  return line === null ? "no line of its SETUP in the kernel log" : `SETUP logged at ${line.seconds.toFixed(3)} s`;
}

/** Some kernels halve the number while a unit is trusted, some at boot, some never: worth showing, and no proof of anything. */
function domainWords({ cap, domainsSupported }: HostUnit): string {
  if (cap === null || domainsSupported === null) return "domains_supported unreadable";
  return `domains_supported ${domainsSupported} of ${domainsFromCap(cap)}`;
}

/** Formats of the kernel trees that have SETUP. A line that user space wrote is not the kernel's: see kernel-log.ts. */
const FORMATS: readonly { readonly pattern: RegExp; readonly unit: (found: string) => SetupLine["unit"] }[] = [
  {
    pattern: /Trusted DMA for TEE\/IO initialized, regbase 0x([0-9a-f]{1,16})\b/i,
    unit: (hex) => ({ regBase: `0x${BigInt(`0x${hex}`).toString(16)}` }),
  },
  { pattern: /Trusted IOMMU for TEE initialized on (dmar\d+)\b/, unit: (kernelName) => ({ kernelName }) },
];

/** The line, if it is one of a SETUP that succeeded. */
export function setupLineOf(message: string, seconds: number): SetupLine | null {
  for (const { pattern, unit } of FORMATS) {
    const found = pattern.exec(message)?.[1];
    if (found !== undefined) return { unit: unit(found), seconds };
  }
  return null;
}
