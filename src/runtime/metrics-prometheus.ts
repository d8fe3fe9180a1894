// SPDX-License-Identifier: Apache-2.0
/** Metrics as Prometheus scrapes them. The only file that loads prom-client, with metrics-process.ts. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Labels, Metrics } from "./metrics.ts";
import { registerProcessMetrics } from "./metrics-process.ts";

/** Metrics with the text that Prometheus scrapes. */
export interface PrometheusMetrics extends Metrics {
  readonly contentType: string;
  render(): Promise<string>;
}

export interface PrometheusOptions {
  /** Before the name of every metric that a part of the program declares. */
  readonly prefix: string;
  /** Texts that an output of the process did not take, by output; read at each scrape. */
  readonly dropped: () => Readonly<Record<string, number>>;
}

/** Label value of everything that is not on its closed list: its appearance is a bug to find, not a series explosion. */
const OTHER = "Other";

export function createPrometheusMetrics({ prefix, dropped }: PrometheusOptions): PrometheusMetrics {
  const registry = new Registry();
  const registers = [registry];
  registerProcessMetrics(registry, performance.timeOrigin);
  registerDropped(registry, prefix, dropped);
  const named = <M>(name: string, make: (full: string) => M): M => {
    const full = `${prefix}${name}`;
    return (registry.getSingleMetric(full) as M | undefined) ?? make(full);
  };

  const zeroed = new Set<string>();
  /** Zeroing a histogram's series again would forget what it has observed. */
  const isNew = (name: string, series: Readonly<Record<string, string>>): boolean => {
    const key = JSON.stringify([name, series]);
    const isKnown = zeroed.has(key);
    zeroed.add(key);
    return !isKnown;
  };

  return {
    counter({ name, help, labels }) {
      const labelNames = Object.keys(labels);
      const metric = named(name, (full) => new Counter({ name: full, help, labelNames, registers }));
      for (const series of combinations(labels)) metric.inc(series, 0);
      return (values) => metric.inc(onList(values, labels), 1);
    },
    gauge({ name, help, labels }) {
      const [label = "", values = []] = (Object.entries(labels) as [string, readonly string[]][])[0] ?? [];
      const metric = named(name, (full) => new Gauge({ name: full, help, labelNames: [label], registers }));
      const set = (counts: Readonly<Record<string, number>>): void => {
        for (const value of values) metric.set({ [label]: value }, counts[value] ?? 0);
        const others = Object.entries(counts).filter(([value]) => !values.includes(value));
        metric.set(
          { [label]: OTHER },
          others.reduce((sum, [, count]) => sum + count, 0),
        );
      };
      set({});
      return set;
    },
    flag({ name, help }) {
      const metric = named(name, (full) => new Gauge({ name: full, help, registers }));
      return (yes) => metric.set(yes ? 1 : 0);
    },
    histogram({ name, help, labels, buckets }) {
      const labelNames = Object.keys(labels);
      const metric = named(name, (full) => new Histogram({ name: full, help, labelNames, buckets: [...buckets], registers }));
      for (const series of combinations(labels)) if (isNew(name, series)) metric.zero(series);
      return (values, seconds) => metric.observe(onList(values, labels), seconds);
    },
    info({ name, help }, values) {
      named(name, (full) => new Gauge({ name: full, help, labelNames: Object.keys(values), registers })).set({ ...values }, 1);
    },
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}

function registerDropped(registry: Registry, prefix: string, dropped: PrometheusOptions["dropped"]): void {
  new Counter({
    name: `${prefix}output_dropped_total`,
    help: "Lines that the process could not write, because nothing read them or there was no room",
    labelNames: ["output"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [output, count] of Object.entries(dropped())) this.inc({ output }, count);
    },
  });
}

function onList<L extends string>(values: Readonly<Record<L, string>>, labels: Labels<L>): Record<string, string> {
  const known = (Object.entries(labels) as [L, readonly string[]][]).map(([label, list]) => [
    label,
    list.includes(values[label]) ? values[label] : OTHER,
  ]);
  return Object.fromEntries(known) as Record<string, string>;
}

function combinations(labels: Labels<string>): Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (partial, [label, values]) => partial.flatMap((row) => values.map((value) => ({ ...row, [label]: value }))),
    [{}],
  );
}
