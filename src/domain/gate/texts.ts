// SPDX-License-Identifier: Apache-2.0

/** What the gate's rules say that they have read. */
import type { PciFunction, TsmRead } from "../device.ts";
import type { Intent } from "../intent.ts";
import type { RidRange, Slot } from "../slot.ts";

export function teeIoText(fn: PciFunction | null): string {
  return fn === null ? "TEE-I/O unread" : `TEE-I/O ${fn.teeIo}${because(fn.teeIoWhy)}`;
}

export function unitText(fn: PciFunction | null): string {
  if (fn?.unit.kind === "Unit") return `${fn.unit.kernelName} at ${fn.unit.regBase}`;
  return fn?.unit.kind === "Unreadable" ? `iommu link to a unit that cannot be told: ${fn.unit.why}` : "no iommu link";
}

export function linkText(slot: Slot | null): string {
  return `link ${slot?.link.state ?? "unread"}, tsm/connect "${slot?.link.tsm ?? ""}", stream secure ${slot?.link.streamSecure ?? "unread"}`;
}

export function hexRid(id: number): string {
  return `0x${id.toString(16).padStart(4, "0")}`;
}

export function rangeText({ first, last }: RidRange): string {
  return `${hexRid(first)}-${hexRid(last)}`;
}

export function because(problem: string): string {
  return problem === "" ? "" : `: ${problem}`;
}

export const TSM_TEXT: Readonly<Record<TsmRead, string>> = {
  Read: "",
  Failed: ", tsm/ cannot be read",
  Blocked: ", reading tsm/ blocks and nothing read before stands",
  Stands: ", reading tsm/ blocks and the last reading stands",
  Writing: ", it is being secured or released",
};

export function selectionText(intent: Intent | null): string {
  if (intent?.units.all) return "spec.units.all";
  // Of a refused object that says Cleared.
  if (intent !== null && intent.units.regBases === undefined) return "spec.units cannot be read";
  return `spec.units.regBases ${(intent?.units.regBases ?? []).join(" ") || "none"}`;
}
