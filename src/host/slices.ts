// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../runtime/clock.ts";

/** Lets everything else that is ready run, then goes on. */
export type Pause = () => Promise<void>;

/** One turn of the event loop. */
export const nextTurn: Pause = () => new Promise((resolve) => setImmediate(resolve));

export interface SliceOptions {
  readonly clock: Clock;
  readonly pause: Pause;
}

/** Half a millisecond: an Allocate that arrives meanwhile is answered within about one. */
const SLICE_MS = 0.5;

/** Applies synchronous `work` to each item in short slices, so that a long list never holds up the event loop. */
export async function inSlices<T>(items: Iterable<T>, work: (item: T) => void, options: SliceOptions): Promise<void> {
  let until = options.clock.nowMs() + SLICE_MS;
  for (const item of items) {
    work(item);
    if (options.clock.nowMs() < until) continue;
    await options.pause();
    until = options.clock.nowMs() + SLICE_MS;
  }
}
