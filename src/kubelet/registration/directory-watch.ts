// SPDX-License-Identifier: Apache-2.0
import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../runtime/errors.ts";
import type { Job, Jobs } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import { identityOf, lstatOrNull } from "../sockets.ts";
import { KUBELET_SOCKET } from "../wire.ts";

/** Eyes on kubelet's device plugin directory: inotify for speed, a poll for what inotify misses (a replaced directory, a full watch table). */
export interface DirectoryWatch {
  /** Identity of kubelet's socket, looked up now; null when it is not there. Another identity is another kubelet start. */
  kubelet(): string | null;
  /** Called when something in the directory may have changed, and at every poll. Returns the way to stop. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}

export interface DirectoryWatchOptions {
  readonly dir: string;
  readonly jobs: Jobs;
  readonly log: Log;
  readonly pollMs: number;
}

export function createDirectoryWatch(options: DirectoryWatchOptions): DirectoryWatch {
  const { dir, jobs, log } = options;
  const listeners = new Set<() => void>();
  let watcher: FSWatcher | null = null;
  let watched: string | null = null;
  let isClosed = false;

  const disarm = (): void => {
    watcher?.close();
    watcher = null;
    watched = null;
  };
  const arm = (identity: string): void => {
    try {
      watcher = watch(dir, { persistent: false }, look);
      watcher.on("error", disarm);
      watched = identity;
    } catch (thrown) {
      // Out of watches, or the directory went away in between: the poll goes on and tries again.
      log.debug({ dir, why: messageOf(thrown) }, "directory cannot be watched");
      disarm();
    }
  };
  const look = (): void => {
    if (isClosed) return;
    const identity = directoryIdentity(dir);
    if (identity !== watched) {
      disarm();
      if (identity !== null) arm(identity);
    }
    for (const listener of [...listeners]) listener();
  };

  look();
  const poll: Job = jobs.every("kubelet-directory", { everyMs: options.pollMs, boundMs: 10_000 }, async () => look());
  return {
    kubelet: () => identityOf(join(dir, KUBELET_SOCKET)),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      isClosed = true;
      disarm();
      await poll.stop();
    },
  };
}

/** The birth time tells a directory from its replacement with the same inode number. */
function directoryIdentity(dir: string): string | null {
  const stats = lstatOrNull(dir);
  return stats ? `${stats.dev}:${stats.ino}:${stats.birthtimeNs}` : null;
}
