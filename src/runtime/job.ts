// SPDX-License-Identifier: Apache-2.0

/** What background work is: a run, a job with its health, and what one is made with. jobs.ts makes them, job-run.ts runs them. */
import type { BackoffPolicy, Random } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { JobHealth } from "./job-health.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/**
 * One run. `signal` is aborted when the job is stopped. Returning {afterMs} asks for another run at the latest after that time (a loop's step that
 * waits for the settling time says so instead of sleeping).
 */
export type JobRun = ((signal: AbortSignal) => Promise<void>) | ((signal: AbortSignal) => Promise<RunAgain | undefined>);

export interface RunAgain {
  readonly afterMs: number;
}

export interface Job {
  readonly name: string;
  health(): JobHealth;
  /** Aborts the run's signal, waits for the run to end, removes the job. Repeatable. Not from inside the run itself. */
  stop(cause?: unknown): Promise<void>;
}

export interface LoopJob extends Job {
  /** Something may have changed: run when the minimum interval and the backoff after a failure allow it. */
  wake(): void;
  /** Something changed that makes earlier failures irrelevant: run now (after the minimum interval). */
  wakeNow(): void;
}

export interface OnceOptions {
  /** See JobHealth.boundMs. */
  readonly boundMs: number;
}

export interface EveryOptions extends OnceOptions {
  readonly everyMs: number;
}

export interface LoopOptions extends OnceOptions {
  /** Between the starts of two runs. 0: as fast as it is woken. */
  readonly minIntervalMs: number;
  /** Runs without a wake-up this long after the last end; null: only when woken. */
  readonly everyMs: number | null;
  readonly backoff: BackoffPolicy;
  /** False: the first run waits for wake(). */
  readonly startAwake: boolean;
}

export interface JobsDependencies {
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly random: Random;
  /** Called when a run throws INVARIANT_BROKEN: the process should end, the job has already stopped. */
  readonly onFatal: (thrown: unknown) => void;
}
