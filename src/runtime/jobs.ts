// SPDX-License-Identifier: Apache-2.0
import type { BackoffPolicy } from "./backoff.ts";
import type { EveryOptions, Job, JobRun, JobsDependencies, LoopJob, LoopOptions, OnceOptions } from "./job.ts";
import type { JobHealth } from "./job-health.ts";
import { type LoopPolicy, startJob } from "./job-run.ts";

export type { Job, JobRun, JobsDependencies, LoopJob, LoopOptions, RunAgain } from "./job.ts";

/**
 * The only way to background work. Each job has a name, an owner, health and counters; none outlives its owner's stop().
 *
 *   owner ──► Jobs ──► once | every | loop ──► run(signal)
 */
export interface Jobs {
  /** Runs once, at once. A failure is logged and counted; it is not repeated. */
  once(name: string, options: OnceOptions, run: JobRun): Job;
  /** Runs at once and then `everyMs` after each end: runs never overlap. A failed run is followed by the next one in time. */
  every(name: string, options: EveryOptions, run: JobRun): Job;
  /**
   * Level-triggered: runs at once, and again whenever it was woken since the last run began; wakes between coalesce into one run. A failed run is
   * repeated after the policy's backoff.
   */
  loop(name: string, options: LoopOptions, run: JobRun): LoopJob;
  /** Jobs that are not stopped, in order of creation. */
  health(): readonly JobHealth[];
  /** Aborts every job's signal with `cause` and waits until no run is left. Jobs created later are refused. Repeatable. */
  stop(cause?: unknown): Promise<void>;
}

const NO_BACKOFF: BackoffPolicy = { minMs: 0, maxMs: 0, jitter: 0 };

export function createJobs(dependencies: JobsDependencies): Jobs {
  const jobs = new Set<Job>();
  const stopping = new AbortController();

  const start = (name: string, policy: LoopPolicy, run: JobRun): LoopJob => {
    const job = startJob({ name, policy, run, dependencies, onStopped: () => void jobs.delete(job) });
    jobs.add(job);
    if (stopping.signal.aborted) void job.stop(stopping.signal.reason);
    return job;
  };

  return {
    once: (name, options, run) => start(name, oncePolicy(options), run),
    every: (name, options, run) => start(name, everyPolicy(options), run),
    loop: (name, options, run) => start(name, { ...options, kind: "loop", repeatsFailures: true }, run),
    health: () => [...jobs].map((job) => job.health()),
    async stop(cause) {
      stopping.abort(cause);
      await Promise.all([...jobs].map((job) => job.stop(cause)));
    },
  };
}

function oncePolicy(options: OnceOptions): LoopPolicy {
  return { ...options, kind: "once", minIntervalMs: 0, everyMs: null, backoff: NO_BACKOFF, startAwake: true, repeatsFailures: false };
}

function everyPolicy(options: EveryOptions): LoopPolicy {
  return { ...options, kind: "every", minIntervalMs: 0, backoff: NO_BACKOFF, startAwake: true, repeatsFailures: false };
}
