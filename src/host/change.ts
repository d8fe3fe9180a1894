// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock, Timer } from "../runtime/clock.ts";
import { messageOf } from "../runtime/errors.ts";
import type { HostPaths } from "./paths.ts";

/**
 * Watches the directories where units, functions, TSMs and vfio nodes come and go. sysfs reports little of what changes in it and some of the
 * directories may be absent, so this only makes some changes seen sooner; the agent's timer finds the rest. Returns the way to stop.
 */
export function watchHost(paths: HostPaths, listener: () => void): () => void {
  const directories = [dirname(paths.units), paths.units, paths.functions, paths.tsm, paths.vfioDevices];
  const watchers = directories.map((directory) => watchDirectory(directory, listener)).filter((watcher) => watcher !== null);
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}

function watchDirectory(directory: string, listener: () => void): FSWatcher | null {
  try {
    const watcher = watch(directory, { persistent: false }, () => listener());
    watcher.on("error", () => watcher.close()); // The directory went away; nothing more comes from it.
    return watcher;
  } catch {
    return null; // Absent, or out of inotify watches: the timer is enough.
  }
}

/** One listener on the kernel's news (netlink uevents). */
export interface Uevents {
  /** Settles with the next news about PCI functions, units, TSMs or VFIO nodes. Rejects when there will be no more. */
  waitChanged(): Promise<void>;
  close(): Promise<void>;
}

/** A device that comes or goes is a dozen events: the first one wakes, those of this time together once more. */
const PAUSE_MS = 100;

export interface UeventOptions {
  readonly open: () => Uevents;
  readonly clock: Clock;
  /** There will be no news from now on: only the timer is left. */
  readonly onProblem: (why: string) => void;
}

/** Calls `listener` for news from the kernel until it is stopped. A link that is secured or released makes none: no kernel announces it. */
export function watchUevents(options: UeventOptions, listener: () => void): () => void {
  const { clock, onProblem } = options;
  let timer: Timer | null = null;
  let isStopped = false;
  const failed = (thrown: unknown): void => {
    if (!isStopped) onProblem(messageOf(thrown));
  };
  let uevents: Uevents;
  try {
    uevents = options.open();
  } catch (thrown) {
    failed(thrown);
    return () => undefined;
  }
  const wait = (): void => void uevents.waitChanged().then(heard, failed);
  const heard = (): void => {
    if (isStopped) return;
    timer = clock.after(PAUSE_MS, wait);
    listener();
  };
  wait();
  return () => {
    isStopped = true;
    timer?.stop();
    uevents.close().catch(failed);
  };
}
