// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { GATE_CHANGES, JOB_RESULTS, type MetricLists, type Metrics } from "./metrics.ts";
import { registerProcessMetrics } from "./metrics-process.ts";

/** Metrics with the text that Prometheus scrapes. */
export interface PrometheusMetrics extends Metrics {
  readonly contentType: string;
  render(): Promise<string>;
}

export interface PrometheusOptions {
  readonly lists: MetricLists;
  readonly simulated: boolean;
  readonly build: { readonly version: string; readonly driver: string };
  /** Texts that an output of the process did not take, by output; read at each scrape. */
  readonly dropped: () => Readonly<Record<string, number>>;
}

/** Label value of everything that is not on its closed list: its appearance is a bug to find, not a series explosion. */
const OTHER = "Other";

/** Seconds: an observation takes milliseconds, a SETUP up to seconds, 10 s is the settling time. */
const JOB_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

export function createPrometheusMetrics(options: PrometheusOptions): PrometheusMetrics {
  const registry = new Registry();
  registerProcessMetrics(registry, performance.timeOrigin);
  droppedTexts(registry, options.dropped);
  return {
    simulated: constants(registry, options),
    ...gauges(registry, options.lists),
    ...counters(registry, options.lists),
    ...served(registry),
  };
}

function served(registry: Registry): Pick<PrometheusMetrics, "contentType" | "render"> {
  return { contentType: registry.contentType, render: () => registry.metrics() };
}

function constants(registry: Registry, options: PrometheusOptions): (yes: boolean) => void {
  const simulated = new Gauge({
    name: "trusted_iommu_simulated",
    help: "1 when SETUP and CLEAR go to the simulator: nothing here is real",
    registers: [registry],
  });
  simulated.set(options.simulated ? 1 : 0);
  const build = new Gauge({ name: "trusted_iommu_build_info", help: "Always 1", labelNames: ["version", "driver"], registers: [registry] });
  build.set({ ...options.build }, 1);
  return (yes) => simulated.set(yes ? 1 : 0);
}

function droppedTexts(registry: Registry, dropped: PrometheusOptions["dropped"]): void {
  new Counter({
    name: "trusted_iommu_output_dropped_total",
    help: "Lines that the process could not write, because nothing read them or there was no room",
    labelNames: ["output"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [output, count] of Object.entries(dropped())) this.inc({ output }, count);
    },
  });
}

function gauges(registry: Registry, lists: MetricLists): Pick<Metrics, "units" | "devices"> {
  const gauge = (name: string, help: string, label: string, values: readonly string[]): ((counts: Readonly<Record<string, number>>) => void) => {
    const metric = new Gauge({ name, help, labelNames: [label], registers: [registry] });
    const set = (counts: Readonly<Record<string, number>>): void => {
      let other = 0;
      for (const [value, count] of Object.entries(counts)) if (!values.includes(value)) other += count;
      for (const value of values) metric.set({ [label]: value }, counts[value] ?? 0);
      metric.set({ [label]: OTHER }, other);
    };
    set({});
    return set;
  };
  return {
    units: gauge("trusted_iommu_units", "VT-d units by state", "state", lists.unitStates),
    devices: gauge("trusted_iommu_devices", "Listed PCI functions by reason of being offered or withheld", "reason", lists.deviceReasons),
  };
}

function counters(registry: Registry, lists: MetricLists): Omit<Metrics, "simulated" | "units" | "devices"> {
  const counter = (name: string, help: string, labels: Labels) => zeroedCounter(registry, { name: `trusted_iommu_${name}_total`, help, labels });
  const seamcalls = counter("seamcalls", "SEAMCALLs by leaf and decoded status", [
    ["leaf", lists.leaves],
    ["status", lists.seamcallStatuses],
  ]);
  const allocate = counter("allocate", "Answers to kubelet's Allocate", [["result", lists.allocateResults]]);
  const registrations = counter("registrations", "Attempts to register a resource with kubelet", [["result", lists.registrationResults]]);
  const streamEnds = counter("stream_ends", "Ended ListAndWatch streams", [["cause", lists.streamEnds]]);
  const gateChanges = counter("gate_changes", "The gate opened or closed for a device", [["change", GATE_CHANGES]]);
  const jobs: Labels = [["job", lists.jobs]];
  const jobRuns = counter("job_runs", "Finished runs of named jobs", [...jobs, ["result", JOB_RESULTS]]);
  const durations = jobDurations(registry, lists.jobs);
  return {
    seamcall: seamcalls,
    allocate,
    registration: registrations,
    streamEnd: streamEnds,
    gateChange: gateChanges,
    jobRan(job, result, durationMs) {
      jobRuns(job, result);
      durations(job, durationMs);
    },
  };
}

type Labels = readonly (readonly [name: string, values: readonly string[]])[];

/** A counter whose every combination of label values exists from the start. Called with the values in the order of `labels`. */
function zeroedCounter(registry: Registry, { name, help, labels }: { name: string; help: string; labels: Labels }): (...values: string[]) => void {
  const metric = new Counter({ name, help, labelNames: labels.map(([label]) => label), registers: [registry] });
  for (const combination of combinations(labels)) metric.inc(combination, 0);
  return (...values) => {
    const known = labels.map(([label, list], index) => {
      const value = values[index];
      return [label, value !== undefined && list.includes(value) ? value : OTHER] as const;
    });
    metric.inc(Object.fromEntries(known), 1);
  };
}

function combinations(labels: Labels): Record<string, string>[] {
  return labels.reduce<Record<string, string>[]>(
    (partial, [label, values]) => partial.flatMap((row) => values.map((value) => ({ ...row, [label]: value }))),
    [{}],
  );
}

function jobDurations(registry: Registry, jobs: readonly string[]): (job: string, durationMs: number) => void {
  const name = "trusted_iommu_job_duration_seconds";
  const metric = new Histogram({ name, help: "Duration of runs of named jobs", labelNames: ["job"], buckets: JOB_BUCKETS, registers: [registry] });
  for (const job of jobs) metric.zero({ job });
  return (job, durationMs) => metric.observe({ job: jobs.includes(job) ? job : OTHER }, durationMs / 1000);
}
