// SPDX-License-Identifier: Apache-2.0

/** What changed between two statuses, as events, log lines and counts. Pure. */
import type { NodeEvent } from "../cluster/port.ts";
import type { UnitReason } from "../domain/reason.ts";
import { isGateOpen, type NodeStatus, type ReadStatus } from "../domain/status.ts";

/** Work in progress: the status shows it, an event for each step of each unit would bury what matters. */
const PASSING: ReadonlySet<UnitReason> = new Set(["SetupPending", "SetupRunning", "ClearPending", "ClearSettling", "ClearRunning"]);

/** Events for people who run `describe`: units that changed state, and conditions that changed. */
export function eventsBetween(before: ReadStatus | null, after: NodeStatus): readonly NodeEvent[] {
  const simulated = after.simulated ? " (simulated)" : "";
  const units = after.units.flatMap((unit): NodeEvent[] => {
    const old = before?.units.find((other) => other.regBase === unit.regBase);
    if (old?.state === unit.state && old.reason === unit.reason) return [];
    if (PASSING.has(unit.reason) || (before === null && unit.reason === "NotSelected")) return [];
    const type = unit.state === "Failed" || unit.state === "Unknown" ? "Warning" : "Normal";
    const detail = unit.message === "" ? "" : `: ${unit.message}`;
    return [{ type, reason: unit.reason, about: unit.regBase, message: `unit ${unit.regBase} is ${unit.state}${simulated}${detail}` }];
  });
  const conditions = after.conditions.flatMap((condition): NodeEvent[] => {
    if (condition.type !== "Degraded" && condition.type !== "ClearBlocked") return [];
    const old = before?.conditions.find((other) => other.type === condition.type);
    if (condition.status !== "True" || (old?.status === "True" && old.message === condition.message)) return [];
    const reason = condition.type === "ClearBlocked" ? "ClearBlocked" : condition.reason;
    return [{ type: "Warning", reason, about: condition.type, message: `${condition.message}${simulated}` }];
  });
  return [...units, ...conditions];
}

/** Devices for which the gate opened or closed. */
export function gateChanges(
  before: ReadStatus | null,
  after: NodeStatus,
): { readonly opened: readonly string[]; readonly closed: readonly string[] } {
  const was = openSet(before);
  const is = openSet(after);
  return { opened: [...is].filter((address) => !was.has(address)), closed: [...was].filter((address) => !is.has(address)) };
}

function openSet(status: ReadStatus | null): ReadonlySet<string> {
  return new Set((status?.devices ?? []).filter(isGateOpen).map((device) => device.address));
}

/** Counts by key, for gauges. */
export function countBy<T>(items: readonly T[], key: (item: T) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return counts;
}
