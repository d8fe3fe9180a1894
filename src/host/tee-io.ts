// SPDX-License-Identifier: Apache-2.0
import type { Tristate } from "../domain/device.ts";
import type { Capabilities } from "./capabilities.ts";

/**
 * The functions whose files decide about one function: its own capabilities (null for a virtual function, which has none of its own) and those
 * of function 0 of its (or its physical function's) slot. `zero` is null when that function is not on the bus, `"Unknown"` when it cannot be told
 * which function it is.
 */
export interface SlotEvidence {
  readonly own: Capabilities | null;
  readonly zero: Capabilities | null | "Unknown";
}

/** TEE-I/O of a function: function 0 of the slot answers for all. Without it no session could be set up, so a No of its own stays No. */
export function decideTeeIo({ own, zero }: SlotEvidence): Tristate {
  if (zero === "Unknown") return "Unknown";
  if (zero !== null) return zero.teeIo;
  return own?.teeIo === "No" ? "No" : "Unknown";
}

/** Why a function has no TEE-I/O, or why that cannot be told; empty when it has. */
export function whyTeeIo(evidence: SlotEvidence): string {
  const { own, zero } = evidence;
  if (zero === null && own?.teeIo === "No") return own.teeIoWhy;
  if (zero === null || zero === "Unknown") return problemOf(evidence);
  return zero.teeIoWhy === "" || own === zero ? zero.teeIoWhy : `function 0 of its slot: ${zero.teeIoWhy}`;
}

/** Why not all of it is known; function 0 speaks first. Empty when it is. */
export function problemOf({ own, zero }: SlotEvidence): string {
  if (zero === "Unknown") return "its physical function cannot be told";
  if (zero === null) return "function 0 of its slot is not on the bus";
  return zero.problem === "" ? (own?.problem ?? "") : `${own === zero ? "" : "function 0 of its slot: "}${zero.problem}`;
}

/** False: its own space, or that of function 0 of its slot, reads as all ones. */
export function answersOf({ own, zero }: SlotEvidence): boolean {
  return own?.answers !== false && (zero === null || zero === "Unknown" || zero.answers);
}
