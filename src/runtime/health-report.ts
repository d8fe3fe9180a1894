// SPDX-License-Identifier: Apache-2.0
import { type JobHealth, type JobVerdict, judgeJob } from "./job-health.ts";

/** Answer of /healthz. */
export interface HealthReport {
  /** False only when a job is stuck: the one state that a restart cures. Slow and failing jobs are the world's fault and are listed. */
  readonly healthy: boolean;
  readonly jobs: readonly JobReport[];
}

export interface JobReport {
  readonly owner: string;
  readonly job: string;
  readonly verdict: JobVerdict;
  /** How long the present run has gone on, null between runs. */
  readonly runningMs: number | null;
  readonly runs: number;
  readonly failures: number;
  readonly failuresInARow: number;
  readonly problem: string;
}

/** Health of the whole process from that of its jobs. Pure. */
export function reportHealth(jobs: readonly JobHealth[], nowMs: number): HealthReport {
  const reports = jobs.map((job) => ({
    owner: job.owner,
    job: job.name,
    verdict: judgeJob(job, nowMs),
    runningMs: job.runningSinceMs === null ? null : Math.round(nowMs - job.runningSinceMs),
    runs: job.runs,
    failures: job.failures,
    failuresInARow: job.failuresInARow,
    problem: job.problem,
  }));
  return { healthy: reports.every(({ verdict }) => verdict !== "Stuck"), jobs: reports };
}

/** Answer of /readyz: ready, or why not. */
export interface ReadyReport {
  readonly ready: boolean;
  /** Empty when ready. */
  readonly waitingFor: readonly string[];
}
