// SPDX-License-Identifier: Apache-2.0
import type { AgentProcess } from "../life/agent-process.ts";
import type { World } from "../life/world.ts";
import type { Objection, Question } from "./eligibility.ts";

/** What the parts of the checker share. */
export interface CheckTools {
  readonly world: World;
  /** What was checked how often: a check that never ran proves nothing. */
  readonly checked: Record<CheckName, number>;
  /** Why the device may not be offered under that name, from the truth. */
  against(process: AgentProcess, address: string, resource: string, purpose?: Question["purpose"], ledger?: Question["ledger"]): readonly Objection[];
  violate(what: string, why: string): void;
}

export const CHECKS = [
  "setup",
  "clear",
  "clearBegins",
  "linkWrite",
  "bind",
  "specs",
  "resolved",
  "listed",
  "allocate",
  "preStart",
  "prepare",
  "claimFiles",
  "audit",
  "rest",
] as const;
export type CheckName = (typeof CHECKS)[number];

/** Violations by what the agent must have known: it is older than the tick. */
export function refute(
  tools: CheckTools,
  what: { readonly name: string; readonly id: string },
  against: readonly Objection[],
  knownTick: number,
): void {
  for (const one of against) if (one.sinceTick < knownTick) tools.violate(what.name, `${what.id}: ${one.why}`);
}
