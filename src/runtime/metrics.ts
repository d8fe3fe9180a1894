// SPDX-License-Identifier: Apache-2.0

/**
 * What the agent counts, as an interface without Prometheus in it: metrics-prometheus.ts implements it and is loaded only when metrics are
 * served. Label values come from the closed lists passed to it; anything else is counted under `Other`.
 */
export interface Metrics {
  /** SETUP and CLEAR go to a simulator. */
  simulated(yes: boolean): void;
  /** Number of units per state now; states not named become 0. */
  units(byState: Readonly<Record<string, number>>): void;
  /** Number of devices per reason now; reasons not named become 0. */
  devices(byReason: Readonly<Record<string, number>>): void;
  /** One SEAMCALL by leaf and decoded status name. */
  seamcall(leaf: string, status: string): void;
  /** One answer to Allocate. */
  allocate(result: string): void;
  /** One attempt to register a resource with kubelet. */
  registration(result: string): void;
  /** One ListAndWatch stream ended. */
  streamEnd(cause: string): void;
  /** The gate opened or closed for one device. */
  gateChange(change: GateChange): void;
  /** A named job finished a run. */
  jobRan(job: string, result: JobResult, durationMs: number): void;
}

export const GATE_CHANGES = ["opened", "closed"] as const;
export type GateChange = (typeof GATE_CHANGES)[number];

export const JOB_RESULTS = ["ok", "failed"] as const;
export type JobResult = (typeof JOB_RESULTS)[number];

/** Every label value that can occur: each series exists with 0 from the start. */
export interface MetricLists {
  readonly unitStates: readonly string[];
  readonly deviceReasons: readonly string[];
  readonly leaves: readonly string[];
  readonly seamcallStatuses: readonly string[];
  readonly allocateResults: readonly string[];
  readonly registrationResults: readonly string[];
  readonly streamEnds: readonly string[];
  readonly jobs: readonly string[];
}

/** Counts nothing: metrics are off. */
export const noMetrics: Metrics = {
  simulated: () => undefined,
  units: () => undefined,
  devices: () => undefined,
  seamcall: () => undefined,
  allocate: () => undefined,
  registration: () => undefined,
  streamEnd: () => undefined,
  gateChange: () => undefined,
  jobRan: () => undefined,
};
