// SPDX-License-Identifier: Apache-2.0

/** What lines of the device, and of others on its slot, mean for its order. */
import { at } from "./course.ts";
import type { AuditLine } from "./line.ts";
import { addStep, spanOf, type WalkState } from "./walk-state.ts";

export function deviceOffered(state: WalkState, line: AuditLine): void {
  const span = spanOf(state);
  if (line.address !== state.device || !span.isOf(line)) return;
  addStep(state, "offered", line);
  span.offered = line;
  span.begins(line, "offered");
}

export function deviceAllocated(state: WalkState, line: AuditLine): void {
  const span = spanOf(state);
  state.held.set(line.address, line);
  if (line.address !== state.device || !span.isOf(line)) return;
  addStep(state, "allocated", line);
  if (span.offered === null) span.missing(`it was allocated at ${at(line)} without having been offered`);
  span.allocated = line;
  span.begins(line, "allocated");
}

export function deviceFoundHeld(state: WalkState, line: AuditLine): void {
  state.held.set(line.address, line);
  if (line.address !== state.device || spanOf(state).allocated !== null) return;
  spanOf(state).unproven(`it was found held at ${at(line)}, and no line says that it was allocated`);
}

export function deviceFree(state: WalkState, line: AuditLine): void {
  state.held.delete(line.address);
  if (line.address === state.device) addStep(state, "device free", line);
}
