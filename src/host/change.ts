// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
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
