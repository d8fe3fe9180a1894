// SPDX-License-Identifier: Apache-2.0
import { nearest, valueText } from "../../api/problem.ts";
import { ADDRESS_FORM, parseAddress } from "../../domain/address.ts";
import type { Address } from "../../domain/device.ts";
import { STATUS_NAMES, statusByName } from "../../domain/seamcall-status.ts";
import { LEAVES, type Leaf, parseRegBase, type RegBase } from "../../domain/unit.ts";
import { AppError } from "../../runtime/errors.ts";
import type { LinkFault } from "../../stand-in/host/host-state.ts";
import type { SimulatedFault } from "../../stand-in/module/simulation.ts";

/** Text arguments of `simulate` as values; each wrong one is refused with the field, the value and what to write instead (SIMULATION_INVALID). */

function wrong(field: string, value: unknown, fix: string): AppError {
  return new AppError("SIMULATION_INVALID", `${field} is ${valueText(value)}: ${fix}`, { details: { field } });
}

export function regBaseArgument(field: string, text: string): RegBase {
  const regBase = parseRegBase(text);
  if (regBase === null) throw wrong(field, text, "write the unit's register base in hex as `simulate show` lists it, for example 0xfed90000");
  return regBase;
}

export function addressArgument(field: string, text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw wrong(field, text, `write ${ADDRESS_FORM}`);
  return address;
}

const LEAF_WORDS: Readonly<Record<string, Leaf | null>> = { SETUP: "TDH.IOMMU.SETUP", CLEAR: "TDH.IOMMU.CLEAR", any: null };

export function leafArgument(text: string): Leaf | null {
  const short = text.replace(/^TDH\.IOMMU\./, "");
  const leaf = LEAF_WORDS[short];
  if (leaf === undefined) throw wrong("--leaf", text, `write SETUP, CLEAR or any (${Object.keys(LEAVES).join(", ")})`);
  return leaf;
}

const MAX_STATUS = (1n << 64n) - 1n;

/** A name, or all 64 bits in hex (operand included): TDX_OPERAND_BUSY, 0xc000010000000001. */
export function statusArgument(text: string): bigint {
  const value = /^0x[0-9a-fA-F]+$/.test(text) ? BigInt(text) : statusByName(text.toUpperCase());
  if (value !== null && value <= MAX_STATUS) return value;
  const meant = nearest(text.toUpperCase(), STATUS_NAMES);
  const hint = meant === null ? "a name such as TDX_OPERAND_BUSY" : meant;
  throw wrong("--status", text, `write ${hint}, or 64 bits in hex such as 0x8000020000000000`);
}

/** A count or a duration. */
export function countArgument(field: string, text: string, from: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < from || text.trim() === "") throw wrong(field, text, `write a whole number from ${from}`);
  return value;
}

/** Options of `simulate fault` as commander hands them over. */
export interface FaultFlags {
  readonly leaf: string;
  readonly unit?: string | undefined;
  readonly status?: string | undefined;
  readonly delay: string;
  readonly times: string;
  readonly after: string;
  readonly keepPages?: boolean | undefined;
  readonly link?: string | undefined;
  readonly errno?: string | undefined;
  readonly streams?: string | undefined;
  readonly hostBridge?: string | undefined;
}

/** Flags of one kind of fault among those of another. */
function refuseOthers(others: readonly (readonly [flag: string, value: unknown])[], fix: string): void {
  const other = others.find(([, value]) => value !== undefined);
  if (other !== undefined) throw wrong(other[0], other[1], fix);
}

const OF_THE_MODULE = ({ unit, status, keepPages }: FaultFlags) =>
  [
    ["--unit", unit],
    ["--status", status],
    ["--keep-pages", keepPages],
  ] as const;

const STREAMS_ONLY = "it goes with --streams";

/** How many IDE streams a host bridge has left. */
export function streamsFrom(flags: FaultFlags & { readonly streams: string }): { readonly hostBridge: string | null; readonly left: number } {
  refuseOthers([...OF_THE_MODULE(flags), ["--link", flags.link], ["--errno", flags.errno]], "it is about another fault; leave it out with --streams");
  return { hostBridge: flags.hostBridge ?? null, left: countArgument("--streams", flags.streams, 0) };
}

/** A scripted answer of the TSM. */
export function linkFaultFrom(flags: FaultFlags & { readonly link: string }): LinkFault {
  refuseOthers(OF_THE_MODULE(flags), "it is about the TDX module; leave it out with --link");
  refuseOthers([["--host-bridge", flags.hostBridge]], STREAMS_ONLY);
  if (flags.errno === undefined && flags.delay === "0") throw wrong("--errno", undefined, "give --errno NAME, --delay MS, or both");
  if (flags.errno !== undefined && !/^E[A-Z0-9]{1,20}$/.test(flags.errno))
    throw wrong("--errno", flags.errno, "write an error's name, such as EKEYREJECTED");
  return {
    address: addressArgument("--link", flags.link),
    errno: flags.errno ?? null,
    delayMs: countArgument("--delay", flags.delay, 0),
    times: flags.times === "forever" ? null : countArgument("--times", flags.times, 1),
  };
}

export function faultFrom(flags: FaultFlags): SimulatedFault {
  refuseOthers([["--host-bridge", flags.hostBridge]], STREAMS_ONLY);
  if (flags.status === undefined && flags.delay === "0") throw wrong("--status", undefined, "give --status NAME, --delay MS, or both");
  return {
    leaf: leafArgument(flags.leaf),
    regBase: flags.unit === undefined ? null : regBaseArgument("--unit", flags.unit),
    status: flags.status === undefined ? null : statusArgument(flags.status),
    delayMs: countArgument("--delay", flags.delay, 0),
    count: flags.times === "forever" ? null : countArgument("--times", flags.times, 1),
    skip: countArgument("--after", flags.after, 0),
    keepPages: flags.keepPages ?? false,
  };
}
