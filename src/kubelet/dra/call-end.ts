// SPDX-License-Identifier: Apache-2.0

/** When a call of kubelet is over, and what is answered for work that is not done by then. */
import type { Clock, Timer } from "../../runtime/clock.ts";
import { AppError } from "../../runtime/errors.ts";

/** As far as it matters here: grpc-js' ServerUnaryCall. */
export interface Cancellable {
  on(event: "cancelled", listener: () => void): unknown;
}

export interface CallEnd {
  /** Aborted with an AppError, whose message may be answered: DEADLINE, KUBELET_ABSENT or the one given to `end`. */
  readonly signal: AbortSignal;
  end(reason: AppError): void;
  /** The call has been answered. */
  answered(): void;
}

export function watchCall(call: Cancellable, clock: Clock, callMs: number): CallEnd {
  const controller = new AbortController();
  const timer = clock.after(callMs, () => controller.abort(new AppError("DEADLINE", `not done within ${callMs / 1000} s; kubelet asks again`)));
  call.on("cancelled", () => controller.abort(new AppError("KUBELET_ABSENT", "kubelet has ended the call")));
  return {
    signal: controller.signal,
    end: (reason) => controller.abort(reason),
    answered: () => timer.stop(),
  };
}

/**
 * The outcome of `work`, or a rejection with the signal's reason `graceMs` after it was aborted: work that ends because it was told to has better words
 * for what it waited for. A later rejection of `work` is observed here.
 */
export function untilEnded<T>(work: Promise<T>, signal: AbortSignal, clock: Clock, graceMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: Timer | null = null;
    const onAbort = (): void => {
      timer = clock.after(graceMs, () => reject(signal.reason));
    };
    const settled = (): void => {
      timer?.stop();
      signal.removeEventListener("abort", onAbort);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (value) => {
        settled();
        resolve(value);
      },
      (thrown: unknown) => {
        settled();
        reject(thrown);
      },
    );
  });
}
