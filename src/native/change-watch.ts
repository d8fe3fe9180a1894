// SPDX-License-Identifier: Apache-2.0

/** One waiting call of the addon for any number of listeners. */
import type { Clock, Timer } from "../runtime/clock.ts";
import type { NativeHandle } from "./addon.ts";

export interface ChangeWatch {
  /** Adds a listener; returns the way to remove it. */
  readonly listen: (listener: () => void) => () => void;
  /** The table was listed: what changes from now on is news. */
  readonly listed: () => void;
  readonly stop: () => void;
}

/** Waiting again after news that no LIST has taken up, or after a failure: no busy loop. A failure is news too: the other side may be gone. */
const PAUSE_MS = 500;

/**
 * Waits for changes as long as there is a listener. The wait is over until the table is listed again, so the next one begins with that list;
 * a listener that does not list is called again after a pause.
 */
export function watchChanges(handle: Pick<NativeHandle, "waitChanged">, clock: Clock): ChangeWatch {
  const listeners = new Set<() => void>();
  let state: "idle" | "waiting" | "paused" | "stopped" = "idle";
  let timer: Timer | null = null;

  const wait = (): void => {
    timer?.stop();
    timer = null;
    state = listeners.size === 0 ? "idle" : "waiting";
    if (state === "waiting") handle.waitChanged().then(notify, notify);
  };
  const pause = (): void => {
    if (state === "stopped") return;
    state = "paused";
    timer = clock.after(PAUSE_MS, wait);
  };
  const notify = (): void => {
    if (state === "stopped") return;
    pause();
    for (const listener of [...listeners]) listener();
  };
  return {
    listen: (listener) => {
      const entry = (): void => listener();
      listeners.add(entry);
      if (state === "idle") wait();
      return () => void listeners.delete(entry);
    },
    listed: () => {
      if (state === "paused") wait();
    },
    stop: () => {
      state = "stopped";
      listeners.clear();
      timer?.stop();
    },
  };
}
