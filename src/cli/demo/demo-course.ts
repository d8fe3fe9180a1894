// SPDX-License-Identifier: Apache-2.0
import type { PassView } from "../agent/run-agent.ts";

/** Where the demonstration is: it sets up, has a pod take a device, shows, and cleans up behind itself. */
export type Stage = "SettingUp" | "Securing" | "Showing" | "CleaningUp";

export interface Course {
  readonly stage: Stage;
  /** What was not as it should be when everything had settled; decides the exit code. */
  readonly failures: readonly string[];
}

export const START: Course = { stage: "SettingUp", failures: [] };

/** What the demonstration does after a pass. */
export type Move =
  | { readonly kind: "Nothing" }
  /** Every unit is as it should be. */
  | { readonly kind: "Settled"; readonly failures: readonly string[] }
  /** The link of the pod's device is secured (`--once` shows the final tables, and cleans up). */
  | { readonly kind: "Secured" }
  | { readonly kind: "End"; readonly failures: readonly string[] };

/** Decides from one pass of the agent. Pure. */
export function moveAfter(course: Course, pass: PassView): Move {
  if (course.stage === "SettingUp" && pass.settlement.settled) return { kind: "Settled", failures: pass.settlement.failures };
  if (course.stage === "Securing" && isAnyInUse(pass)) return { kind: "Secured" };
  if (course.stage === "CleaningUp" && isCleared(pass)) return { kind: "End", failures: [...course.failures, ...pass.settlement.failures] };
  return { kind: "Nothing" };
}

function isAnyInUse({ status }: PassView): boolean {
  return status.devices.some(({ link, usedBy }) => link.state === "Secure" && usedBy !== null);
}

/** The pass has seen the changed intent, and nothing is left to be done: what the pod had is on its way back. */
function isCleared({ status, settlement }: PassView): boolean {
  const wantsClear = status.conditions.some((condition) => condition.type === "DevicesOffered" && condition.reason === "IntentCleared");
  const isInUse = status.units.some(({ reason }) => reason === "ClearBlocked");
  return wantsClear && settlement.settled && !isInUse;
}
