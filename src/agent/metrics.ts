// SPDX-License-Identifier: Apache-2.0
/** Metrics of the agent: units, devices, SEAMCALLs, the gate. */

import { LINK_WORDS } from "../domain/links/word.ts";
import { DEVICE_REASONS } from "../domain/reason.ts";
import { STATUS_NAMES } from "../domain/seamcall-status.ts";
import { LEAVES, UNIT_STATES } from "../domain/unit.ts";
import type { Metrics } from "../runtime/metrics.ts";

export interface AgentMetrics {
  /** SETUP and CLEAR go to a simulator. */
  simulated(yes: boolean): void;
  /** Number of units per state now; states not named become 0. */
  units(byState: Readonly<Record<string, number>>): void;
  /** Number of devices per reason now; reasons not named become 0. */
  devices(byReason: Readonly<Record<string, number>>): void;
  /** Number of devices per state of their link now; states not named become 0. */
  links(byState: Readonly<Record<string, number>>): void;
  /** One SEAMCALL by leaf and decoded status name. */
  seamcall(leaf: string, status: string): void;
  /** The gate opened or closed for one device. */
  gateChange(change: GateChange): void;
}

const GATE_CHANGES = ["opened", "closed"] as const;
export type GateChange = (typeof GATE_CHANGES)[number];

export function agentMetrics(metrics: Metrics): AgentMetrics {
  const seamcalls = metrics.counter({
    name: "seamcalls_total",
    help: "SEAMCALLs by leaf and decoded status",
    labels: { leaf: Object.keys(LEAVES), status: STATUS_NAMES },
  });
  const gateChanges = metrics.counter({
    name: "gate_changes_total",
    help: "The gate opened or closed for a device",
    labels: { change: GATE_CHANGES },
  });
  return {
    simulated: metrics.flag({ name: "simulated", help: "1 when SETUP and CLEAR go to the simulator: nothing here is real" }),
    units: metrics.gauge({ name: "units", help: "VT-d units by state", labels: { state: UNIT_STATES } }),
    devices: metrics.gauge({
      name: "devices",
      help: "Listed PCI functions by reason of being offered or withheld",
      labels: { reason: Object.keys(DEVICE_REASONS) },
    }),
    links: metrics.gauge({ name: "links", help: "Listed PCI functions by state of their link", labels: { state: LINK_WORDS } }),
    seamcall: (leaf, status) => seamcalls({ leaf, status }),
    gateChange: (change) => gateChanges({ change }),
  };
}
