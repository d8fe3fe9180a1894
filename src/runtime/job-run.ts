// SPDX-License-Identifier: Apache-2.0
import { backoffDelayMs } from "./backoff.ts";
import type { Timer } from "./clock.ts";
import { isAppError, messageOf, retryAfterMsOf } from "./errors.ts";
import type { JobRun, JobsDependencies, LoopJob, LoopOptions } from "./job.ts";
import type { JobHealth, JobKind } from "./job-health.ts";
import { jobMetrics } from "./job-metrics.ts";

export interface LoopPolicy extends LoopOptions {
  readonly kind: JobKind;
  readonly repeatsFailures: boolean;
}

export interface JobStart {
  readonly name: string;
  readonly policy: LoopPolicy;
  readonly run: JobRun;
  readonly dependencies: JobsDependencies;
  readonly onStopped: () => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Starts one job; jobs.ts gives the three kinds their names. Never throws, never leaves a promise unobserved. */
export function startJob(start: JobStart): LoopJob {
  const job = new RunningJob(start);
  if (start.policy.startAwake) job.wake();
  return job;
}

class RunningJob implements LoopJob {
  readonly name: string;
  readonly #start: JobStart;
  readonly #abort = new AbortController();
  readonly #state: Mutable<JobHealth>;
  readonly #count: ReturnType<typeof jobMetrics>;
  #timer: Timer | null = null;
  #awake = false;
  #isUrgent = false;
  /** No run starts before this: minimum interval, or backoff after a failure. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #intervalOverMs = Number.NEGATIVE_INFINITY;
  #current: Promise<void> | null = null;
  #isStopped = false;

  constructor(start: JobStart) {
    this.#start = start;
    this.name = start.name;
    this.#count = jobMetrics(start.dependencies.metrics, start.name);
    this.#state = {
      name: start.name,
      owner: start.dependencies.owner,
      kind: start.policy.kind,
      lastStartMs: null,
      lastEndMs: null,
      runningSinceMs: null,
      dueMs: null,
      boundMs: start.policy.boundMs,
      runs: 0,
      failures: 0,
      failuresInARow: 0,
      problem: "",
    };
  }

  health(): JobHealth {
    return { ...this.#state };
  }

  wake(): void {
    this.#awake = true;
    if (!this.#current) this.#schedule(this.#notBeforeMs);
  }

  wakeNow(): void {
    this.#awake = true;
    this.#isUrgent = true;
    this.#notBeforeMs = this.#intervalOverMs;
    if (!this.#current) this.#schedule(this.#notBeforeMs);
  }

  async stop(cause?: unknown): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#unschedule();
      this.#abort.abort(cause);
    }
    await this.#current;
    this.#start.onStopped();
  }

  /** Sets the one timer to the earlier of what it is set to and `atMs`. */
  #schedule(atMs: number): void {
    if (this.#isStopped) return;
    const { clock } = this.#start.dependencies;
    const dueMs = Math.max(atMs, clock.nowMs());
    if (this.#state.dueMs !== null && this.#state.dueMs <= dueMs) return;
    this.#unschedule();
    this.#state.dueMs = dueMs;
    if (dueMs > clock.nowMs()) this.#timer = clock.after(dueMs - clock.nowMs(), () => this.#begin());
    // Not in the caller's stack: a wake inside a handler must not run the loop inside that handler.
    else queueMicrotask(() => this.#begin());
  }

  #unschedule(): void {
    this.#timer?.stop();
    this.#timer = null;
    this.#state.dueMs = null;
  }

  #begin(): void {
    if (this.#isStopped || this.#current || this.#state.dueMs === null) return;
    this.#unschedule();
    this.#awake = false;
    this.#isUrgent = false;
    const { clock } = this.#start.dependencies;
    const startMs = clock.nowMs();
    this.#state.lastStartMs = startMs;
    this.#state.runningSinceMs = startMs;
    this.#intervalOverMs = startMs + this.#start.policy.minIntervalMs;
    this.#notBeforeMs = this.#intervalOverMs;
    this.#current = this.#runOnce().then((afterMs) => {
      this.#current = null;
      this.#after(afterMs);
    });
  }

  /** One run with its bookkeeping. Returns how long after its end the next is wanted, null for none. */
  async #runOnce(): Promise<number | null> {
    try {
      const result = await this.#start.run(this.#abort.signal);
      this.#finish("");
      return result ? result.afterMs : null;
    } catch (thrown) {
      return this.#fail(thrown);
    }
  }

  #finish(problem: string): void {
    const { clock } = this.#start.dependencies;
    const state = this.#state;
    state.lastEndMs = clock.nowMs();
    state.runningSinceMs = null;
    state.runs += 1;
    state.problem = problem;
    state.failures += problem === "" ? 0 : 1;
    state.failuresInARow = problem === "" ? 0 : state.failuresInARow + 1;
    this.#count(problem === "" ? "ok" : "failed", state.lastEndMs - (state.lastStartMs ?? state.lastEndMs));
  }

  #fail(thrown: unknown): number | null {
    const { log, random, onFatal, clock } = this.#start.dependencies;
    this.#finish(messageOf(thrown) || "failed without a message");
    const { failuresInARow: attempt, owner } = this.#state;
    // A run that ends because it was told to is no news.
    if (this.#isStopped) return null;
    log.warn({ job: this.name, owner, attempt, err: thrown }, "job failed");
    if (isAppError(thrown) && thrown.code === "INVARIANT_BROKEN") {
      this.#isStopped = true;
      onFatal(thrown);
      return null;
    }
    if (!this.#start.policy.repeatsFailures) return null;
    const delayMs = Math.max(backoffDelayMs(this.#start.policy.backoff, attempt, random), retryAfterMsOf(thrown));
    this.#notBeforeMs = Math.max(this.#intervalOverMs, clock.nowMs() + delayMs);
    return delayMs;
  }

  #after(afterMs: number | null): void {
    const { clock } = this.#start.dependencies;
    const { everyMs } = this.#start.policy;
    if (this.#isUrgent) this.#notBeforeMs = this.#intervalOverMs;
    const wishes = [afterMs, everyMs].filter((wish) => wish !== null);
    if (wishes.length > 0) this.#schedule(Math.max(this.#notBeforeMs, clock.nowMs() + Math.min(...wishes)));
    if (this.#awake) this.#schedule(this.#notBeforeMs);
    if (this.#state.dueMs === null && this.#start.policy.kind === "once") this.#start.onStopped();
  }
}
