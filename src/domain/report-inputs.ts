// SPDX-License-Identifier: Apache-2.0

/** What a status is made from: the decisions of one pass, and the status before. */
import type { Verdict } from "./gate/inputs.ts";
import type { Ground } from "./ground.ts";
import type { Hold } from "./holds.ts";
import type { LinkWork } from "./links/work.ts";
import type { Plan } from "./plan/finding.ts";
import type { SpecsInPlace } from "./specs.ts";
import type { AgentStatus, ReadStatus } from "./status.ts";

export interface ReportInputs {
  readonly ground: Ground;
  /** The agent that writes the status. */
  readonly agent: AgentStatus;
  /** The name of the configured driver: reported while the driver cannot be read, and so cannot say which one it is. */
  readonly driver: string;
  readonly verdicts: readonly Verdict[];
  readonly plan: Plan;
  readonly hasIntent: boolean;
  /** Units that the intent names one by one: for these no TDX Connect is a failure. */
  readonly namedUnits: ReadonlySet<string>;
  /** What is known of holders over time; a view alone may leave them out. */
  readonly holds: ReadonlyMap<string, Hold>;
  /** Addresses that the intent names and no function has. */
  readonly absentAddresses: readonly string[];
  readonly linkWork: LinkWork;
  /** The spec says that this agent secures and releases links. */
  readonly securesLinks: boolean;
  readonly specs: SpecsInPlace;
  readonly proofProblem: string;
  /** Why the audit log cannot be written; empty when it can. No rule of gate or plan looks at it. */
  readonly auditProblem: string;
  /** False: by configuration there is no kubelet to register with. */
  readonly hasKubelet: boolean;
  readonly desiredState: "Trusted" | "Cleared" | null;
  readonly generation: number;
  /** Why a newer intent was refused; empty when none was. */
  readonly intentProblem: string;
  readonly previous: ReadStatus | null;
  /** Wall time, RFC 3339, for conditions that change. */
  readonly now: string;
}
