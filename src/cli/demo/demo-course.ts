// SPDX-License-Identifier: Apache-2.0
import type { PassView } from "../agent/run-agent.ts";

/** Where the demonstration is: it sets up, shows, and cleans up behind itself. */
export type Stage = "SettingUp" | "Showing" | "CleaningUp";

export interface Course {
  readonly stage: Stage;
  /** What was not as it should be when everything had settled; decides the exit code. */
  readonly failures: readonly string[];
}

export const START: Course = { stage: "SettingUp", failures: [] };

/** What the demonstration does after a pass. */
export type Move =
  | { readonly kind: "Nothing" }
  /** Show the final tables (`--once` goes on to clean up). */
  | { readonly kind: "Settled"; readonly failures: readonly string[] }
  | { readonly kind: "End"; readonly failures: readonly string[] };

/** Decides from one pass of the agent. Pure. */
export function moveAfter(course: Course, pass: PassView): Move {
  if (course.stage === "SettingUp" && pass.settlement.settled) return { kind: "Settled", failures: pass.settlement.failures };
  if (course.stage === "CleaningUp" && isCleared(pass)) return { kind: "End", failures: [...course.failures, ...pass.settlement.failures] };
  return { kind: "Nothing" };
}

/** The pass has seen the changed intent, and nothing is left to be done. */
function isCleared({ status, settlement }: PassView): boolean {
  const wantsClear = status.conditions.some((condition) => condition.type === "DevicesOffered" && condition.reason === "IntentCleared");
  return wantsClear && settlement.settled;
}
