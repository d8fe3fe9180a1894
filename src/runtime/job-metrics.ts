// SPDX-License-Identifier: Apache-2.0
/** Metrics of named jobs: how often they ran and how long that took. */
import type { Metrics } from "./metrics.ts";

export const JOB_RESULTS = ["ok", "failed"] as const;
export type JobResult = (typeof JOB_RESULTS)[number];

/** An observation takes milliseconds, a SETUP up to seconds, 10 s is the settle period. */
const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** The function that is called after each run of the job `job`. Names of jobs are a closed list, because each is a word of the source. */
export function jobMetrics(metrics: Metrics, job: string): (result: JobResult, durationMs: number) => void {
  const labels = { job: [job] };
  const runs = metrics.counter({ name: "job_runs_total", help: "Finished runs of named jobs", labels: { ...labels, result: JOB_RESULTS } });
  const seconds = metrics.histogram({ name: "job_duration_seconds", help: "Duration of runs of named jobs", labels, buckets: SECONDS });
  return (result, durationMs) => {
    runs({ job, result });
    seconds({ job }, durationMs / 1000);
  };
}
