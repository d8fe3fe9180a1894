// SPDX-License-Identifier: Apache-2.0
import { type Metrics, noMetrics } from "../../src/runtime/metrics.ts";

/** Metrics that write down each count, `name value value`, in order. Gauges are not recorded. */
export function recordingMetrics(): { readonly metrics: Metrics; readonly counted: string[] } {
  const counted: string[] = [];
  const metrics: Metrics = {
    ...noMetrics,
    counter:
      ({ name, labels }) =>
      (values) =>
        void counted.push([name, ...Object.keys(labels).map((label) => values[label as keyof typeof values])].join(" ")),
  };
  return { metrics, counted };
}
