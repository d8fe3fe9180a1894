// SPDX-License-Identifier: Apache-2.0

/** What the lines of one device have said so far, in one boot: the memory of a walk through them. */
import type { Address } from "../device.ts";
import type { CourseStep } from "./course.ts";
import type { AuditLine } from "./line.ts";
import { createSpan, type Span } from "./span.ts";

/** Of the slot's link. */
export interface LinkSaid {
  readonly isOn: boolean;
  /** Where it went on. */
  readonly line: AuditLine | null;
  /** A write of the agent is under way, or the next one follows. */
  readonly underWay: "Securing" | "Repair" | "Releasing" | null;
}

export const LINK_OFF: LinkSaid = { isOn: false, line: null, underWay: null };

/** A process of the agent says what it found; and what was so before it. */
export interface Restart {
  readonly line: AuditLine;
  readonly link: LinkSaid;
  readonly wasHeld: AuditLine | undefined;
  /** The span that went on then. */
  readonly span: Span | null;
}

export interface WalkState {
  readonly device: Address;
  readonly spans: Span[];
  span: Span | null;
  /** Of lines before any that says that the unit is trusted. */
  readonly unplaced: Span;
  link: LinkSaid;
  /** Functions of the slot that somebody has, with the line that says so. */
  readonly held: Map<Address, AuditLine>;
  restart: Restart | null;
}

export function newWalk(device: Address): WalkState {
  return { device, spans: [], span: null, unplaced: createSpan(null), link: LINK_OFF, held: new Map(), restart: null };
}

export function spanOf({ span, unplaced }: WalkState): Span {
  return span ?? unplaced;
}

export function isTrusted({ span }: WalkState): boolean {
  return span?.isTrusted === true;
}

export function addStep(state: WalkState, step: CourseStep["step"], line: AuditLine): void {
  spanOf(state).step(step, line);
}
