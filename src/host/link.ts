// SPDX-License-Identifier: Apache-2.0
import type { Tristate, TsmRead } from "../domain/device.ts";
import type { LinkRead, LinkState } from "../domain/slot.ts";
import { type Capabilities, UNREADABLE_CAPABILITIES } from "./capabilities.ts";
import { anyStream, type Ide, streamRegistersOf } from "./ide.ts";
import { problemOf } from "./tee-io.ts";
import type { TsmReading, TsmText } from "./tsm.ts";

/** The functions of a slot on the bus whose registers speak for its link. */
export interface LinkEnd {
  /** Function 0: null when it is not on the bus, `"Unknown"` when it has no registers of its own, or when it cannot be told which function it is. */
  readonly zero: Capabilities | null | "Unknown";
  /** The other physical ones, in order of address. PCIe r6.1 7.9.26 has the IDE capability in function 0 alone; what they show counts all the same. */
  readonly others: readonly Capabilities[];
}

/**
 * The state of a slot's link. Secure as soon as a TSM is connected or a stream is enabled or secure; Unknown when nothing says so and something of
 * function 0 could not be read. After a function-level reset the registers read insecure while the TSM is still connected: that is Secure, so that
 * nothing is set up or cleared below it, and no stream of it is secure, so that the gate does not take it for secured.
 */
export function decideState(end: LinkEnd, connect: TsmText): LinkState {
  const speaking = speakersOf(end);
  const on = [...speaking, ...end.others.map(({ ide }) => ide)].map((ide) => anyStream(ide, (stream) => stream.enabled || stream.secure));
  if (textOf(connect) !== "" || on.includes("Yes")) return "Secure";
  return isUnread(connect) || on.slice(0, speaking.length).includes("Unknown") ? "Unknown" : "Insecure";
}

/** What a file of `tsm/` says; empty when nothing, or when that cannot be told. */
export function textOf(text: TsmText): string {
  return text.kind === "Value" ? text.value : "";
}

/** The other end of a slot's link. */
export interface FarEnd {
  /** Null when there is none (the slot is on the root bus), `"Unknown"` when that cannot be told or the root port is not on the bus. */
  readonly rootPort: Capabilities | null | "Unknown";
  /** The blocks in which the slot's streams end by the kernel's names; null: it cannot be told. Others are of other slots below the same root port. */
  readonly blocks: ReadonlySet<number> | null;
}

/** How reading the link ended. */
export function decideLinkRead(end: LinkEnd, far: FarEnd, { connect, dsm }: Omit<TsmReading, "bound">): LinkRead {
  const tsm = [connect, dsm].map(readOf).find((read) => read !== "Read") ?? "Read";
  return { tsm, registers: registersOf(end, far), problem: problemOfEnd(end) };
}

/** Whether a TDI of a function is bound, and how reading that ended. */
export function decideBound(bound: TsmText): { readonly bound: Tristate; readonly boundRead: TsmRead } {
  const isBound = bound.kind === "Value" && bound.value !== "";
  return { bound: isUnread(bound) ? "Unknown" : isBound ? "Yes" : "No", boundRead: readOf(bound) };
}

/** The IDE registers of a function can be told, or it has none. */
export function isIdeRead(own: Capabilities | null): boolean {
  return own === null || anyStream(own.ide, () => false) !== "Unknown";
}

/** Function 0 speaks for the slot; while it is not on the bus, whichever is there. */
function speakersOf({ zero, others }: LinkEnd): readonly Ide[] {
  if (zero === "Unknown") return [UNREADABLE_CAPABILITIES.ide];
  if (zero !== null) return [zero.ide];
  return others.length === 0 ? [UNREADABLE_CAPABILITIES.ide] : others.map(({ ide }) => ide);
}

function registersOf({ zero, others }: LinkEnd, { rootPort, blocks }: FarEnd): string | null {
  if (zero === "Unknown" || rootPort === "Unknown" || (zero === null && others.length === 0)) return null;
  const near = zero === null ? [] : [streamRegistersOf(zero.ide)];
  const texts = rootPort === null ? near : [...near, streamRegistersOf(rootPort.ide, blocks)];
  if (texts.includes(null)) return null;
  // One without IDE says nothing, read or not.
  const rest = others.filter(({ ide }) => ide.kind !== "Absent").map(({ ide }) => streamRegistersOf(ide) ?? "unread");
  return [...texts, ...rest].join("; ");
}

function problemOfEnd({ zero, others }: LinkEnd): string {
  const other = zero === null ? others.find(({ problem }) => problem !== "") : undefined;
  return other?.problem ?? problemOf({ own: zero === "Unknown" ? null : zero, zero });
}

function readOf({ kind }: TsmText): TsmRead {
  return kind === "Unreadable" ? "Failed" : kind === "Blocked" ? "Blocked" : "Read";
}

function isUnread(text: TsmText): boolean {
  return readOf(text) !== "Read";
}
