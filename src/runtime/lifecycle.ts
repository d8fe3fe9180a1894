// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Log } from "./log.ts";

/** Something that is started and stopped. Parts start in the order in which they were added and stop in reverse. */
export interface Part {
  /** Lower-case, as it reads in "stopping NAME". */
  readonly name: string;
  /** Rejects when the part can't work at all; what is only absent for now (kubelet, the API server) is no reason. */
  start(signal: AbortSignal): Promise<void> | void;
  /** Called only after `start` succeeded, once. */
  stop(cause: unknown): Promise<void> | void;
  /** How long `stop` is waited for; the process ends anyway after it. */
  readonly stopWithinMs: number;
}

export interface Lifecycle {
  /** Only before `run`. */
  add(part: Part): void;
  /** Aborted, with its cause as the reason, when stopping begins. */
  readonly signal: AbortSignal;
  /** Ends `run`. The first cause stands, later ones are ignored. */
  cancel(cause: unknown): void;
  /**
   * Starts all parts, waits for `cancel`, stops what was started in reverse, each within its deadline. A part that fails to start has what was
   * started before it stopped again, and its error is the cause. Never rejects.
   */
  run(): Promise<LifecycleEnd>;
}

export interface LifecycleEnd {
  /** What `cancel` was given, or the error of the part that did not start. */
  readonly cause: unknown;
  readonly isStarted: boolean;
  /** Parts that failed to stop or did not in time. */
  readonly problems: readonly { readonly part: string; readonly thrown: unknown }[];
}

export interface LifecycleOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** A start or stop that takes longer is worth a line. */
const SLOW_MS = 1000;

export function createLifecycle({ clock, log }: LifecycleOptions): Lifecycle {
  const parts: Part[] = [];
  const cancelled = new AbortController();

  const timed = async (verb: string, part: Part, work: () => Promise<void> | void): Promise<void> => {
    const startMs = clock.nowMs();
    try {
      await work();
    } finally {
      const durationMs = Math.round(clock.nowMs() - startMs);
      log[durationMs >= SLOW_MS ? "info" : "debug"]({ part: part.name, durationMs }, verb);
    }
  };

  const startAll = async (started: Part[]): Promise<void> => {
    for (const part of parts) {
      if (cancelled.signal.aborted) return;
      await timed("part started", part, () => part.start(cancelled.signal));
      started.push(part);
    }
  };

  const stopAll = async (started: readonly Part[]): Promise<LifecycleEnd["problems"]> => {
    const problems: { part: string; thrown: unknown }[] = [];
    for (const part of started.toReversed()) {
      try {
        await timed("part stopped", part, () => stopOne(part, cancelled.signal.reason, clock));
      } catch (thrown) {
        log.error({ part: part.name, err: thrown }, "part did not stop");
        problems.push({ part: part.name, thrown });
      }
    }
    return problems;
  };

  return {
    add: (part) => void parts.push(part),
    signal: cancelled.signal,
    cancel: (cause) => cancelled.abort(cause),
    async run() {
      const started: Part[] = [];
      let isStarted = false;
      try {
        await startAll(started);
        isStarted = started.length === parts.length;
      } catch (thrown) {
        cancelled.abort(thrown);
      }
      await aborted(cancelled.signal);
      return { cause: cancelled.signal.reason as unknown, isStarted, problems: await stopAll(started) };
    },
  };
}

function stopOne(part: Part, cause: unknown, clock: Clock): Promise<void> {
  const stopped = (async () => part.stop(cause))();
  return withDeadline(stopped, { clock, ms: part.stopWithinMs, what: `stopping ${part.name}` });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

export const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;
export type StopSignal = (typeof STOP_SIGNALS)[number];

/** What a stop signal becomes as a lifecycle's cause: an expected end, not an error. */
export interface SignalCause {
  readonly signal: StopSignal;
}

export function isSignalCause(cause: unknown): cause is SignalCause {
  return typeof cause === "object" && cause !== null && "signal" in cause && STOP_SIGNALS.some((known) => known === cause.signal);
}

/** The part of `process` that is needed here. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

/**
 * Cancels on the first SIGTERM or SIGINT and gives the handlers back at once, so that a second signal has its default effect and ends a stop that
 * hangs. Returns the way to give them back without a signal.
 */
export function cancelOnSignals(lifecycle: Pick<Lifecycle, "cancel">, source: SignalSource): () => void {
  const listeners = STOP_SIGNALS.map((signal) => {
    const listener = (): void => {
      release();
      lifecycle.cancel({ signal } satisfies SignalCause);
    };
    source.on(signal, listener);
    return { signal, listener };
  });
  const release = (): void => {
    for (const { signal, listener } of listeners) source.off(signal, listener);
  };
  return release;
}
