// SPDX-License-Identifier: Apache-2.0

/** What each condition says, and what it reads on a healthy node: a part of docs/reasons.md. */
import type { ConditionType } from "../../src/domain/reason.ts";

interface ConditionText {
  /** A sentence. */
  readonly says: string;
  /** Markdown, without a full stop. */
  readonly healthy: string;
}

export const CONDITIONS: Readonly<Record<ConditionType, ConditionText>> = {
  Supported: {
    says: "Whether this host has TDX Connect at all. `False` on an ordinary host is an answer and no error; `Unknown` says that it cannot be told yet.",
    healthy: "`True`, TdxConnectPresent",
  },
  UnitsTrusted: {
    says: "Whether every selected unit that has TDX Connect is trusted. A unit without it counts only when `spec.units.regBases` names it.",
    healthy: "`True`, AllTrusted",
  },
  DevicesOffered: {
    says: "Whether at least one device is offered. The message counts the offered and the withheld ones.",
    healthy: "`True`, SomeOffered",
  },
  Ready: {
    says: "Whether units and devices are as the spec wants. It repeats the reason of the condition that keeps the node from being ready.",
    healthy: "`True`, AsIntended",
  },
  Degraded: {
    says: "Whether something is wrong that a person should look at. AuditUnwritable, LinkSecuredOutside and PagesRetained are the reasons that do not make a node unready.",
    healthy: "`False`, NoProblem",
  },
  ClearBlocked: {
    says: "Whether a unit that is to be cleared cannot be, because a device below it is in use or a view cannot be read. The message names the holder.",
    healthy: "`False`, NothingToClear",
  },
};
