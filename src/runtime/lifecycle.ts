// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "./clock.ts";
import { aborted, withDeadline } from "./deadline.ts";
import { isAppError } from "./errors.ts";
import type { Log } from "./log.ts";

/** Something that is started and stopped. Parts start in the order in which they were added and stop in reverse. */
export interface Part {
  /** Lower-case, as it reads in "stopping NAME". */
  readonly name: string;
  /**
   * Rejects when the part can't work at all; what is only absent for now (kubelet, the API server) is no reason. Must end soon after `signal`, and
   * leave nothing running when it rejects.
   */
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
   * started before it stopped again, and its error is the cause. A cancel ends the start, too: of a part that still starts after its deadline nothing
   * more is expected. Never rejects.
   */
  run(): Promise<LifecycleEnd>;
}

export interface LifecycleEnd {
  /** What `cancel` was given, or the error of the part that did not start. */
  readonly cause: unknown;
  readonly isStarted: boolean;
  /** Parts that failed to stop, or did not end their start or stop in time. */
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

  /** A start that does not heed the signal is waited for as long as a stop would be, then left behind. */
  const startOne = async (part: Part): Promise<void> => {
    const starting = (async () => timed("part started", part, () => part.start(cancelled.signal)))();
    const gaveUp = aborted(cancelled.signal).then(() =>
      withDeadline(starting, { clock, ms: part.stopWithinMs, what: `the start of ${part.name}, which was to be ended,` }),
    );
    gaveUp.catch(() => undefined); // Looked at only when it is the first to end.
    await Promise.race([starting, gaveUp]);
  };

  const startAll = async (started: Part[]): Promise<void> => {
    for (const part of parts) {
      if (cancelled.signal.aborted) return;
      await startOne(part);
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
      const problems: { part: string; thrown: unknown }[] = [];
      try {
        await startAll(started);
        isStarted = started.length === parts.length;
      } catch (thrown) {
        // After a cancel the first cause stands; a start that was cut short is only worth telling when it did not end.
        if (cancelled.signal.aborted && isLate(thrown)) problems.push({ part: parts[started.length]?.name ?? "", thrown });
        cancelled.abort(thrown);
      }
      await aborted(cancelled.signal);
      problems.push(...(await stopAll(started)));
      return { cause: cancelled.signal.reason as unknown, isStarted, problems };
    },
  };
}

function stopOne(part: Part, cause: unknown, clock: Clock): Promise<void> {
  const stopped = (async () => part.stop(cause))();
  return withDeadline(stopped, { clock, ms: part.stopWithinMs, what: `stopping ${part.name}` });
}

function isLate(thrown: unknown): boolean {
  return isAppError(thrown) && thrown.code === "DEADLINE";
}
