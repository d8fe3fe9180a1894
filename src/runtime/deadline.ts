// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "./clock.ts";
import { AppError, type ErrorCode } from "./errors.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly ms: number;
  /** What was waited for, as it reads in "WHAT did not finish within 5000 ms". */
  readonly what: string;
  /** DEADLINE when not given. */
  readonly code?: ErrorCode;
}

/**
 * The outcome of `promise`, or a rejection when it is not there after `ms`. Bounds the wait, not the work: a caller that needs the work ended passes a
 * signal to it. A late rejection of `promise` is observed here, so it never becomes an unhandled one.
 * @throws DEADLINE, or `code`
 */
export function withDeadline<T>(promise: Promise<T>, options: DeadlineOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = options.clock.after(options.ms, () => reject(lateError(options)));
    promise.then(
      (value) => {
        timer.stop();
        resolve(value);
      },
      (thrown: unknown) => {
        timer.stop();
        reject(thrown);
      },
    );
  });
}

/** Runs `work` with a signal that is aborted, with the same error, when the deadline passes. @throws DEADLINE, or `code` */
export async function runWithDeadline<T>(work: (signal: AbortSignal) => Promise<T>, options: DeadlineOptions): Promise<T> {
  const controller = new AbortController();
  try {
    return await withDeadline(work(controller.signal), options);
  } catch (thrown) {
    controller.abort(thrown);
    throw thrown;
  }
}

function lateError(options: DeadlineOptions): AppError {
  return new AppError(options.code ?? "DEADLINE", `${options.what} did not finish within ${options.ms} ms`, { details: { ms: options.ms } });
}

/** Resolves when `signal` is aborted, at once when it is. */
export function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
