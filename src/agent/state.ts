// SPDX-License-Identifier: Apache-2.0
import type { Verdict } from "../domain/gate.ts";
import type { Ground } from "../domain/ground.ts";
import type { Intent } from "../domain/intent.ts";
import type { Memory } from "../domain/memory.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { UnitVerdict } from "../domain/plan/finding.ts";
import type { Settlement } from "../domain/settlement.ts";
import type { NodeStatus } from "../domain/status.ts";
import type { Answer } from "../domain/view.ts";
import type { AdoptedSpecs } from "./adopt.ts";

/** What a pass would like to list. */
export interface Wanted {
  readonly ground: Ground;
  readonly verdicts: readonly Verdict[];
  readonly offer: readonly OfferedResource[];
}

/** One finished pass of the loop. */
export interface Pass extends Wanted {
  readonly intent: Intent | null;
  readonly unitVerdicts: readonly UnitVerdict[];
  readonly status: NodeStatus;
  readonly settlement: Settlement;
}

/**
 * The agent's only mutable state. Nothing in it is truth: `memory` is what must be known over time and is safe to lose, `pass` is the newest
 * decisions, `answers` are our own Allocate answers that kubelet may not show yet.
 */
export interface AgentState {
  memory: Memory;
  pass: Pass | null;
  /** Decisions of the pass that is running: their CDI specs are written before they are listed. */
  draft: Wanted | null;
  /** CDI specs of an earlier process that hold until the first pass has its own verdicts. */
  adopted: AdoptedSpecs;
  answers: readonly Answer[];
  /** Status that an earlier process left, until the first pass has its own. */
  lastStatus: NodeStatus | null;
  stopping: boolean;
}
