// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "./clock.ts";

export interface MemoryRestOptions {
  readonly clock: Clock;
  /** Collects all garbage and gives the memory back; takes some ten milliseconds. */
  readonly collect: () => void;
  /** What the process occupies, in bytes. */
  readonly residentBytes: () => number;
}

export interface MemoryRest {
  /** Something was done: rest begins anew. */
  touch(): void;
  stop(): void;
}

/** Shorter than the agent's pauses while a pod holds a device, longer than those between kubelet's calls. */
const QUIET_MS = 1_000;
/** Collecting more often would cost more than the memory is worth. */
const INTERVAL_MS = 60_000;
/** Less is not worth the time that collecting takes. */
const WORTH_BYTES = 8_000_000;

/**
 * Gives memory back when the process has come to rest: V8 collects as it allocates, so a process that was busy and then sleeps keeps the garbage of
 * its busiest moment for as long as it sleeps.
 */
export function createMemoryRest({ clock, collect, residentBytes }: MemoryRestOptions): MemoryRest {
  let timer: Timer | null = null;
  let lastBytes = 0;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  const rest = (): void => {
    timer = null;
    if (clock.nowMs() < notBeforeMs || residentBytes() - lastBytes < WORTH_BYTES) return;
    collect();
    notBeforeMs = clock.nowMs() + INTERVAL_MS;
    lastBytes = residentBytes();
  };
  return {
    touch() {
      timer?.stop();
      timer = clock.after(QUIET_MS, rest);
    },
    stop() {
      timer?.stop();
      timer = null;
    },
  };
}
