// SPDX-License-Identifier: Apache-2.0
/**
 * How the parts of the program count, without Prometheus: each part declares its own metrics here (agent/metrics.ts, kubelet/device-plugin/metrics.ts,
 * job-metrics.ts) and is given functions to count with. metrics-prometheus.ts implements it and is loaded only when metrics are served.
 */

/** Label values that can occur, by label. The lists are closed: each series exists with 0 from the start, any other value is counted as `Other`. */
export type Labels<L extends string> = Readonly<Record<L, readonly string[]>>;

export interface Metric<L extends string> {
  /** With its unit and `_total` where these belong, without the program's prefix. */
  readonly name: string;
  /** One sentence without a full stop. */
  readonly help: string;
  readonly labels: Labels<L>;
}

/** A metric may be declared more than once, with other label values: they are series of one metric. */
export interface Metrics {
  /** Returns the function that counts one event. */
  counter<L extends string>(metric: Metric<L>): (values: Readonly<Record<L, string>>) => void;
  /** Returns the function that sets how many there are now of each value of the one label; values that are not named become 0. */
  gauge<L extends string>(metric: Metric<L>): (counts: Readonly<Record<string, number>>) => void;
  /** Returns the function that sets whether something is so now: 1 or 0. */
  flag(metric: Omit<Metric<never>, "labels">): (yes: boolean) => void;
  /** Returns the function that adds one observation in seconds. `buckets`: upper bounds in seconds, ascending. */
  histogram<L extends string>(
    metric: Metric<L> & { readonly buckets: readonly number[] },
  ): (values: Readonly<Record<L, string>>, seconds: number) => void;
  /** A constant 1 whose labels say what this process is. */
  info(metric: Omit<Metric<never>, "labels">, values: Readonly<Record<string, string>>): void;
}

const nothing = (): void => undefined;

/** Counts nothing: metrics are off. */
export const noMetrics: Metrics = { counter: () => nothing, gauge: () => nothing, flag: () => nothing, histogram: () => nothing, info: nothing };
