// SPDX-License-Identifier: Apache-2.0

/** A pending call of `Clock.after`. Stopping it twice, or after it fired, is harmless. */
export interface Timer {
  stop(): void;
}

/**
 * Time, passed in. Durations and deadlines use `nowMs` (monotonic); `wallMs` is for timestamps that people read.
 * Nothing else in src/ may read a clock or set a timer.
 */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. */
  nowMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Calls `fire` once, `delayMs` from now. The real clock's timers keep the process alive. */
  after(delayMs: number, fire: () => void): Timer;
}

/** Resolves after `delayMs`, or at once when `signal` is or becomes aborted; never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      timer.stop();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return { stop: () => clearTimeout(timer) };
  },
};
