// SPDX-License-Identifier: Apache-2.0

/** What lines of the link mean for the order of a device on its slot. */
import { at } from "./course.ts";
import type { AuditLine } from "./line.ts";
import { addStep, isTrusted, LINK_OFF, spanOf, type WalkState } from "./walk-state.ts";

export function linkSecuring(state: WalkState, line: AuditLine): void {
  if (state.held.size === 0) spanOf(state).missing(`the agent began to secure the link at ${at(line)} while no function of its slot was allocated`);
  state.link = { ...state.link, underWay: "Securing" };
}

/** Secured, or connected without a stream. */
export function linkOn(state: WalkState, line: AuditLine): void {
  const { link, restart, held } = state;
  const { isOn, underWay } = link;
  const wasOn = restart?.link.isOn === true;
  const isBroken = line.event === "LinkBroken";
  state.link = { isOn: true, line: isOn ? link.line : line, underWay: null };
  if (!isBroken && !wasOn) addStep(state, "link secured", line);
  if (isOn || wasOn || !isTrusted(state)) return;
  spanOf(state).secured(line);
  // What the agent began when it was asked for is no news, whoever has the device by the time it is done.
  if (underWay !== null || restart?.link.underWay || held.size > 0 || isBroken) return;
  spanOf(state).missing(`the link was secured at ${at(line)} while no function of its slot was allocated`);
}

export function linkRepair(state: WalkState): void {
  state.link = { ...state.link, underWay: "Repair" };
}

export function linkReleasing(state: WalkState, line: AuditLine): void {
  const { device, held } = state;
  const by = held.get(device);
  if (by) spanOf(state).violated(`the agent began to release the link at ${at(line)} while ${device} was held (${at(by)})`);
  state.link = { ...state.link, underWay: "Releasing" };
}

export function linkReleased(state: WalkState, line: AuditLine): void {
  const { device, held, link, span } = state;
  const by = held.get(device);
  const isOurs = line.by === "agent" || link.underWay !== null;
  if (by && !isOurs) spanOf(state).violated(`the link was released by somebody else at ${at(line)} while ${device} was held (${at(by)})`);
  const isRepair = link.underWay === "Repair";
  // What is taken away to be put back is no release.
  if (!isRepair) addStep(state, "link released", line);
  if (span?.linkBefore) span.linkBefore = null;
  state.link = { ...LINK_OFF, underWay: isRepair ? "Repair" : null };
}

export function linkGone(state: WalkState): void {
  state.link = LINK_OFF;
}
