// SPDX-License-Identifier: Apache-2.0

/** Tells people what a pass changed: in the log, as events, and as metrics. */
import type { NodeStatus, ReadStatus } from "../domain/status.ts";
import { silentLog } from "../runtime/log.ts";
import { countBy, eventsBetween, gateChanges } from "./changes.ts";
import type { AgentMetrics } from "./metrics.ts";
import type { AgentPorts } from "./ports.ts";

export interface Announcing {
  readonly ports: Pick<AgentPorts, "log" | "status">;
  readonly metrics: AgentMetrics;
  readonly logsChanges: boolean;
}

/** Log, events and counts of what this pass changed. */
export function announce({ ports, metrics, logsChanges }: Announcing, before: ReadStatus | null, after: NodeStatus): void {
  const log = logsChanges ? ports.log : silentLog;
  for (const event of eventsBetween(before, after)) {
    log[event.type === "Warning" ? "warn" : "info"]({ reason: event.reason, detail: event.message }, "state changed");
    ports.status.event(event);
  }
  const { opened, closed } = gateChanges(before, after);
  for (const _ of opened) metrics.gateChange("opened");
  for (const _ of closed) metrics.gateChange("closed");
  if (opened.length > 0) log.info({ devices: opened }, "gate opened");
  if (closed.length > 0) log.info({ devices: closed }, "gate closed");
  metrics.simulated(after.simulated);
  metrics.units(countBy(after.units, (unit) => unit.state));
  metrics.devices(countBy(after.devices, (device) => device.reason));
  metrics.links(countBy(after.devices, (device) => device.link.state));
}
