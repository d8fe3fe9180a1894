// SPDX-License-Identifier: Apache-2.0

/** What lines of the unit, and of the log itself, mean for the order of a device below. */
import { at } from "./course.ts";
import type { AuditLine } from "./line.ts";
import { createSpan } from "./span.ts";
import { addStep, isTrusted, LINK_OFF, spanOf, type WalkState } from "./walk-state.ts";

export function unitTrusted(state: WalkState, line: AuditLine): void {
  if (state.span?.epoch === line.epoch) {
    state.span.regained();
    return;
  }
  const { link, spans } = state;
  const span = createSpan(line);
  spans.push(span);
  state.span = span;
  if (link.isOn && link.line !== null && line.event === "UnitSetUp") span.linkBefore = link.line;
  addStep(state, "unit set up", line);
}

export function unitEnded(state: WalkState, line: AuditLine): void {
  const { device, held, link } = state;
  const isLost = line.event === "UnitLost";
  const by = held.get(device);
  const why = by && `the unit was ${isLost ? "lost" : "cleared"} at ${at(line)} while ${device} was held (${at(by)})`;
  if (why && isLost) spanOf(state).lostUnder(why);
  else if (why) spanOf(state).violated(why);
  if (!isLost && link.isOn && link.line) spanOf(state).violated(`the unit was cleared at ${at(line)} while the link was secured (${at(link.line)})`);
  addStep(state, isLost ? "unit lost" : "unit cleared", line);
  spanOf(state).ended(line);
}

/** A process tells next what it found: what was so before is not so any more unless it says so. */
export function agentStarted(state: WalkState, line: AuditLine): void {
  const { device, held, link, span, unplaced } = state;
  state.restart = { line, link, wasHeld: held.get(device), span: isTrusted(state) ? span : null };
  held.clear();
  state.link = LINK_OFF;
  span?.left();
  unplaced.left();
}

/** It has told all that it found. */
export function agentHasTold(state: WalkState): void {
  const { restart, device, held, link } = state;
  state.restart = null;
  if (restart?.wasHeld === undefined || restart.span === null) return;
  const { line, link: before, span: was } = restart;
  const by = `${device} was held (${at(restart.wasHeld)})`;
  if (!was.isTrusted) was.unproven(`the unit was not found trusted any more at ${at(line)}, and nobody saw when that ended: ${by}`);
  else if (held.has(device) && before.isOn && !link.isOn && before.underWay === null)
    was.unproven(`the link was not found secured any more at ${at(line)}, and nobody saw why: ${by}`);
}

export function gapFound(state: WalkState, line: AuditLine): void {
  spanOf(state).gap(line);
  state.held.clear();
  state.link = LINK_OFF;
}
