// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { noJitter } from "../../src/runtime/backoff.ts";
import { AppError } from "../../src/runtime/errors.ts";
import { judgeJob } from "../../src/runtime/job-health.ts";
import { createJobs, type LoopOptions } from "../../src/runtime/jobs.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { recordingMetrics } from "../support/recording-metrics.ts";

function world() {
  const clock = createFakeClock();
  const { metrics, counted } = recordingMetrics();
  const fatal: unknown[] = [];
  const jobs = createJobs({ owner: "test", clock, log: silentLog, metrics, random: noJitter, onFatal: (thrown) => void fatal.push(thrown) });
  return { clock, jobs, counted, fatal };
}

const loopOptions: LoopOptions = {
  boundMs: 1000,
  minIntervalMs: 0,
  everyMs: null,
  backoff: { minMs: 100, maxMs: 400, jitter: 0 },
  startAwake: true,
};

/** A run that ends only when the test says so. */
function gatedRun() {
  const ends: ((problem?: Error) => void)[] = [];
  const run = () => new Promise<void>((resolve, reject) => ends.push((problem) => (problem ? reject(problem) : resolve())));
  return { run, ends };
}

describe("loop", () => {
  test("runs at once and then only when woken", async () => {
    const { clock, jobs } = world();
    let runs = 0;
    const loop = jobs.loop("observe", loopOptions, async () => void runs++);
    await clock.settle();
    expect(runs).toBe(1);
    await clock.advance(60_000);
    expect(runs).toBe(1);
    loop.wake();
    await clock.settle();
    expect(runs).toBe(2);
  });

  test("does not run in the stack of the caller that wakes it", async () => {
    const { clock, jobs } = world();
    let runs = 0;
    const loop = jobs.loop("observe", { ...loopOptions, startAwake: false }, async () => void runs++);
    loop.wake();
    expect(runs).toBe(0);
    await clock.settle();
    expect(runs).toBe(1);
  });

  test("leaves who asked for it alone for as long, also when its own backoff is shorter", async () => {
    const { clock, jobs } = world();
    const runs: number[] = [];
    const loop = jobs.loop("status", loopOptions, async () => {
      runs.push(clock.nowMs());
      if (runs.length === 1) throw new AppError("API_UNREACHABLE", "429", { details: { retryAfterMs: 7_000 } });
    });
    await clock.settle();
    loop.wake();
    await clock.advance(6_999);
    expect(runs).toHaveLength(1);
    await clock.advance(1);
    expect(runs).toHaveLength(2);
  });

  test("runs once more, and once only, when woken several times during a run", async () => {
    const { clock, jobs } = world();
    const { run, ends } = gatedRun();
    const loop = jobs.loop("observe", loopOptions, run);
    await clock.settle();
    loop.wake();
    loop.wake();
    loop.wake();
    await clock.settle();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await clock.settle();
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await clock.settle();
    expect(ends).toHaveLength(2);
  });

  test("keeps the minimum interval between two starts", async () => {
    const { clock, jobs } = world();
    const starts: number[] = [];
    const loop = jobs.loop("observe", { ...loopOptions, minIntervalMs: 50 }, async () => void starts.push(clock.nowMs()));
    await clock.settle();
    loop.wake();
    await clock.advance(49);
    expect(starts).toEqual([0]);
    await clock.advance(1);
    expect(starts).toEqual([0, 50]);
  });

  test("repeats a failed run after the backoff, doubling up to the maximum, and starts over after a success", async () => {
    const { clock, jobs, counted } = world();
    const starts: number[] = [];
    const loop = jobs.loop("observe", loopOptions, async () => {
      starts.push(clock.nowMs());
      if (starts.length <= 4) throw new Error("down");
    });
    await clock.advance(5000);
    expect(starts).toEqual([0, 100, 300, 700, 1100]);
    expect(loop.health()).toMatchObject({ runs: 5, failures: 4, failuresInARow: 0, problem: "" });
    expect(counted).toEqual([
      "job_runs_total observe failed",
      "job_runs_total observe failed",
      "job_runs_total observe failed",
      "job_runs_total observe failed",
      "job_runs_total observe ok",
    ]);
  });

  test("keeps the backoff when woken, and drops it when what changed makes the failure irrelevant", async () => {
    const { clock, jobs } = world();
    const starts: number[] = [];
    const loop = jobs.loop("register", loopOptions, async () => {
      starts.push(clock.nowMs());
      throw new Error("refused");
    });
    await clock.settle();
    loop.wake();
    await clock.advance(10);
    expect(starts).toEqual([0]);
    loop.wakeNow();
    await clock.settle();
    expect(starts).toEqual([0, 10]);
  });

  test("drops the backoff of a run that failed after it was told of the change", async () => {
    const { clock, jobs } = world();
    const { run, ends } = gatedRun();
    const loop = jobs.loop("register", loopOptions, run);
    await clock.settle();
    loop.wakeNow();
    ends[0]?.(new Error("refused"));
    await clock.settle();
    expect(ends).toHaveLength(2);
  });

  test("runs again after the time that a run asked for, or earlier when woken", async () => {
    const { clock, jobs } = world();
    const starts: number[] = [];
    const loop = jobs.loop("settle", { ...loopOptions, everyMs: 1000 }, async () => {
      starts.push(clock.nowMs());
      return starts.length === 1 ? { afterMs: 200 } : undefined;
    });
    await clock.advance(250);
    loop.wake();
    await clock.advance(1100);
    expect(starts).toEqual([0, 200, 250, 1250]);
  });

  test("stops for good on a broken invariant and says so", async () => {
    const { clock, jobs, fatal } = world();
    const broken = new AppError("INVARIANT_BROKEN", "two instances");
    let runs = 0;
    const loop = jobs.loop("observe", loopOptions, async () => {
      runs += 1;
      throw broken;
    });
    await clock.advance(10_000);
    loop.wakeNow();
    await clock.settle();
    expect(runs).toBe(1);
    expect(fatal).toEqual([broken]);
  });
});

describe("once and every", () => {
  test("a one-shot job runs once, leaves the list, and a failure is counted and not repeated", async () => {
    const { clock, jobs, counted } = world();
    jobs.once("adopt", { boundMs: 100 }, async () => {
      throw new Error("no");
    });
    expect(jobs.health()).toHaveLength(1);
    await clock.advance(10_000);
    expect(counted).toEqual(["job_runs_total adopt failed"]);
    expect(jobs.health()).toEqual([]);
  });

  test("a timer runs at once and then in fixed distance from each end, also after failures", async () => {
    const { clock, jobs } = world();
    const starts: number[] = [];
    jobs.every("rescan", { boundMs: 100, everyMs: 30 }, async () => {
      starts.push(clock.nowMs());
      if (starts.length === 2) throw new Error("no");
    });
    await clock.advance(100);
    expect(starts).toEqual([0, 30, 60, 90]);
  });
});

describe("stopping", () => {
  test("aborts the run's signal with the cause, waits for its end, and starts nothing more", async () => {
    const { clock, jobs } = world();
    const causes: unknown[] = [];
    let runs = 0;
    jobs.loop("observe", { ...loopOptions, everyMs: 10 }, (signal) => {
      runs += 1;
      signal.addEventListener("abort", () => void causes.push(signal.reason));
      return new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    });
    await clock.settle();
    await jobs.stop("SIGTERM");
    await clock.advance(1000);
    expect({ causes, runs, pending: clock.pending(), jobs: jobs.health() }).toEqual({ causes: ["SIGTERM"], runs: 1, pending: 0, jobs: [] });
  });

  test("refuses jobs created after it", async () => {
    const { clock, jobs } = world();
    await jobs.stop();
    let runs = 0;
    jobs.loop("late", loopOptions, async () => void runs++);
    await clock.settle();
    expect(runs).toBe(0);
  });
});

describe("health", () => {
  test("tells a stuck loop from a slow one, and a failing one from both", async () => {
    const { clock, jobs } = world();
    const { run, ends } = gatedRun();
    const loop = jobs.loop("observe", loopOptions, run);
    await clock.settle();
    expect(judgeJob(loop.health(), clock.nowMs())).toBe("Ok");
    await clock.advance(501);
    expect(judgeJob(loop.health(), clock.nowMs())).toBe("Slow");
    await clock.advance(500);
    expect(judgeJob(loop.health(), clock.nowMs())).toBe("Stuck");
    ends[0]?.(new Error("late"));
    await clock.settle();
    expect(judgeJob(loop.health(), clock.nowMs())).toBe("Failing");
  });

  test("calls a loop stuck whose due run does not start", () => {
    const { jobs } = world();
    const loop = jobs.loop("observe", loopOptions, async () => undefined);
    expect(judgeJob({ ...loop.health(), dueMs: 100 }, 1101)).toBe("Stuck");
    expect(judgeJob({ ...loop.health(), dueMs: 5000 }, 1101)).toBe("Ok");
  });
});
