// SPDX-License-Identifier: Apache-2.0

/**
 * What can be concluded about units on a kernel that owns SETUP. It shows no state and no id: its driver sets up all units, then registers a TSM.
 * Pure.
 */
import type { HostUnit } from "../../domain/host.ts";
import { domainsFromCap, ECAP_TDX_CONNECT, type UnitState } from "../../domain/unit.ts";
import type { SetupLine } from "./setup-lines.ts";

/** What was found of the kernel's driver. */
export interface KernelEvidence {
  /** Number of `/sys/devices/faux/tdx_host`, which differs for each load; null when it is not there. */
  readonly load: bigint | null;
  /** The TSM that is a child of it; null when there is none. `incarnation` differs for each registration. */
  readonly tsm: { readonly name: string; readonly incarnation: bigint } | null;
  /** Why the lines are of this load and no other one; null: they may be of one that is over. */
  readonly whole: "BuiltIn" | "Watched" | null;
  /** This load's lines in the kernel log, as far as they can be told from an earlier one's; or why it can't be read. */
  readonly log: { readonly kind: "Read"; readonly lines: readonly SetupLine[] } | { readonly kind: "Unreadable"; readonly why: string };
}

/** A unit as the kernel lists it now. */
export interface ListedUnit extends HostUnit {
  /** Number of its directory, of the same counting as that of the load: it is greater when it was made later. Null when it can't be told. */
  readonly incarnation: bigint | null;
}

export interface Conclusion {
  readonly state: UnitState;
  /** All that is missing is that the line is of this load. */
  readonly isLoadUnwatched: boolean;
  /** All that was found, for and against, in words. */
  readonly evidence: string;
}

/**
 * Trusted needs all three: the driver's TSM, which is registered when all units are set up and taken away before they are cleared; this load's line of
 * the unit itself, since a unit that the TDX module refused is passed over in silence; and a unit that was there before the load, since one that is
 * added later, even with the address or the name of another before it, is never set up. ECAP without TDX Connect contradicts them. A TSM with less is
 * Unknown, never Trusted; without a TSM nothing is.
 */
export function conclude(unit: ListedUnit, found: KernelEvidence): Conclusion {
  const line = lineOf(unit, found);
  const proof = line === null ? null : proofOf(line, unit, found);
  const evidence = [tsmWords(found), ecapWords(unit), lineWords(found, line, proof), ...ageWords(unit, found), domainWords(unit)].join("; ");
  const state = stateOf(unit, found, line);
  const isLoadUnwatched = state === "Trusted" && proof === null;
  return { state: isLoadUnwatched ? "Unknown" : state, isLoadUnwatched, evidence };
}

/** As if every line were of this load. */
function stateOf(unit: ListedUnit, found: KernelEvidence, line: SetupLine | null): UnitState {
  const { ecap } = unit;
  const { tsm } = found;
  const canConnect = ecap !== null && (ecap & ECAP_TDX_CONNECT) !== 0n;
  if (tsm === null) return ecap !== null && !canConnect ? "Unsupported" : "Untrusted";
  if (!canConnect) return ecap !== null && line === null ? "Unsupported" : "Unknown";
  return line !== null && isOlder(unit, found) ? "Trusted" : "Unknown";
}

type Proof = "BuiltIn" | "Watched" | "Halved";

/**
 * Why a line is of the load that is there: it is the only one of this boot, it was watched, or the unit's own registers say so now. The kernels that
 * log a unit by its name halve its `domains_supported` with SETUP and put it back with CLEAR. Those that log an address are not known to: where they
 * halve, a unit that the TDX module refused may be halved too, since to them a refusal is a success. Others halve at boot, and log no SETUP.
 */
function proofOf(line: SetupLine, unit: HostUnit, { whole }: KernelEvidence): Proof | null {
  return whole ?? ("kernelName" in line.unit && isHalved(unit) ? "Halved" : null);
}

/** The upper half of the domain ids that CAP has room for is the TDX module's (VT-d CAP.ND; the module takes the top bit). */
function isHalved({ cap, domainsSupported }: HostUnit): boolean {
  return cap !== null && domainsSupported === domainsFromCap(cap) / 2;
}

function isOlder({ incarnation }: ListedUnit, { load }: KernelEvidence): boolean {
  return incarnation !== null && load !== null && incarnation < load;
}

function lineOf({ regBase, kernelName }: HostUnit, { log }: KernelEvidence): SetupLine | null {
  if (log.kind !== "Read") return null;
  const isIts = ({ unit }: SetupLine): boolean => ("regBase" in unit ? unit.regBase === regBase : unit.kernelName === kernelName);
  return log.lines.find(isIts) ?? null;
}

function tsmWords({ load, tsm }: KernelEvidence): string {
  if (tsm !== null) return `${tsm.name} of tdx_host`;
  return load === null ? "tdx_host is not loaded" : "tdx_host has no TSM";
}

function ecapWords({ ecap }: HostUnit): string {
  if (ecap === null) return "ecap unreadable";
  return (ecap & ECAP_TDX_CONNECT) === 0n ? "ecap without TDX Connect" : "ecap with TDX Connect";
}

const PROOF_WORDS: Readonly<Record<Proof, string>> = {
  BuiltIn: "tdx_host is built in",
  Watched: "this load was watched from its start",
  Halved: "its domain ids are halved now",
};

function lineWords({ log }: KernelEvidence, line: SetupLine | null, proof: Proof | null): string {
  if (log.kind !== "Read") return `kernel log unreadable (${log.why})`;
  if (line === null) return "no line of its SETUP by this load in the kernel log";
  return `SETUP logged at ${line.seconds.toFixed(3)} s (${proof === null ? "by this load or an earlier one" : PROOF_WORDS[proof]})`;
}

/** Nothing when it is as it should be. */
function ageWords(unit: ListedUnit, found: KernelEvidence): readonly string[] {
  if (found.load === null || isOlder(unit, found)) return [];
  return [unit.incarnation === null ? "its directory in sysfs is gone or unreadable" : "added after tdx_host was loaded, which sets up no such unit"];
}

/** Worth showing whatever it proves. */
function domainWords({ cap, domainsSupported }: HostUnit): string {
  if (cap === null || domainsSupported === null) return "domains_supported unreadable";
  return `domains_supported ${domainsSupported} of ${domainsFromCap(cap)}`;
}
