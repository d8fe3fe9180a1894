// SPDX-License-Identifier: Apache-2.0

export const JOB_KINDS = ["once", "every", "loop"] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** What is known of one job; times are monotonic milliseconds, null where it has not happened. */
export interface JobHealth {
  readonly name: string;
  /** Who created it, e.g. "agent", "kubelet". */
  readonly owner: string;
  readonly kind: JobKind;
  readonly lastStartMs: number | null;
  readonly lastEndMs: number | null;
  /** Set while a run goes on. */
  readonly runningSinceMs: number | null;
  /** When the next run is to start; null: when woken, or never again. */
  readonly dueMs: number | null;
  /** How long a run, or the start of a due one, may take before the job counts as stuck. */
  readonly boundMs: number;
  /** Runs finished, well or not. */
  readonly runs: number;
  readonly failures: number;
  /** Since the last success: what backoff counts. */
  readonly failuresInARow: number;
  /** Message of the newest failure; empty after a success. */
  readonly problem: string;
}

export const JOB_VERDICTS = ["Ok", "Failing", "Slow", "Stuck"] as const;
/**
 * Stuck: a run takes longer than its bound, or a due run did not start within it (a lost timer, a blocked event loop). Slow: more than half of
 * that. Failing: runs end, badly. Only Stuck calls for a restart of the process: the others are the world's fault.
 */
export type JobVerdict = (typeof JOB_VERDICTS)[number];

/** From this share of the bound on a run is called slow. */
const SLOW_SHARE = 0.5;

/** Judges a job at `nowMs`. Pure. */
export function judgeJob(job: JobHealth, nowMs: number): JobVerdict {
  const sinceMs = job.runningSinceMs ?? job.dueMs;
  const lateMs = sinceMs === null ? 0 : nowMs - sinceMs;
  if (lateMs > job.boundMs) return "Stuck";
  if (lateMs > job.boundMs * SLOW_SHARE) return "Slow";
  return job.failuresInARow > 0 ? "Failing" : "Ok";
}
