// SPDX-License-Identifier: Apache-2.0
import type { Link, LinkRead, Tristate } from "../domain/device.ts";
import { type Capabilities, UNREADABLE_CAPABILITIES } from "./capabilities.ts";
import { anyStream, streamRegistersOf } from "./ide.ts";
import type { TsmReading, TsmText } from "./tsm.ts";

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

/**
 * The link of a function. Secure as soon as a TSM is connected or a stream is enabled or secure; Unknown when nothing says so and something
 * could not be read. After a function-level reset the registers read insecure while the TSM is still connected: that is Secure, so that nothing
 * is set up or cleared below it, and `streamSecure` No, so that the gate does not take it for secured.
 */
export function decideLink(evidence: SlotEvidence, tsm: TsmReading): Link {
  const spaces = spacesOf(evidence);
  const streamSecure = strongest(spaces.map((space) => anyStream(space.ide, (stream) => stream.enabled && stream.secure)));
  const streamOn = strongest(spaces.map((space) => anyStream(space.ide, (stream) => stream.enabled || stream.secure)));
  const name = tsm.connect.kind === "Value" ? tsm.connect.value : "";
  const unsure = streamOn === "Unknown" || isUnread(tsm.connect);
  return {
    state: name !== "" || streamOn === "Yes" ? "Secure" : unsure ? "Unknown" : "Insecure",
    tsm: name,
    bound: decideBound(tsm.bound),
    streamSecure,
  };
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

function spacesOf({ own, zero }: SlotEvidence): Capabilities[] {
  const spaces = own === null ? [] : [own];
  if (zero === "Unknown") spaces.push(UNREADABLE_CAPABILITIES);
  else if (zero !== null && zero !== own) spaces.push(zero);
  return spaces.length === 0 ? [UNREADABLE_CAPABILITIES] : spaces;
}

/**
 * How reading the link ended. `rootPort` is the other end: null when the function has none (it is on the root bus), `"Unknown"` when that cannot be
 * told or the root port is not on the bus.
 */
export function decideLinkRead(evidence: SlotEvidence, rootPort: Capabilities | null | "Unknown", { connect, bound }: TsmReading): LinkRead {
  const both = [connect.kind, bound.kind];
  const tsm = both.includes("Unreadable") ? "Failed" : both.includes("Blocked") ? "Blocked" : "Read";
  if (rootPort === "Unknown") return { tsm, registers: null };
  const ends = [...spacesOf(evidence), ...(rootPort === null ? [] : [rootPort])];
  const texts = ends.map(({ ide }) => streamRegistersOf(ide));
  return { tsm, registers: texts.includes(null) ? null : texts.join("; ") };
}

function isUnread({ kind }: TsmText): boolean {
  return kind === "Unreadable" || kind === "Blocked";
}

function decideBound(bound: TsmText): Tristate {
  if (isUnread(bound)) return "Unknown";
  return bound.kind === "Value" && bound.value !== "" ? "Yes" : "No";
}

function strongest(answers: readonly Tristate[]): Tristate {
  return answers.includes("Yes") ? "Yes" : answers.includes("Unknown") ? "Unknown" : "No";
}
