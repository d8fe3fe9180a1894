// SPDX-License-Identifier: Apache-2.0
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock } from "../runtime/clock.ts";
import { readUserFile } from "../runtime/user-file.ts";

/** The two things that a manifest needs of the file system; passed in so that tests decide when a change is noticed. */
export interface ManifestFiles {
  /** Ends soon after `signal`. @throws the errno of the system call that failed, or an AppError when it is no file */
  read(path: string, signal: AbortSignal): Promise<string>;
  /** Calls `changed` when something happened to `path`; may miss it, and may call for nothing. Returns how to stop. */
  watch(path: string, changed: () => void): () => void;
}

export function createManifestFiles(clock: Clock): ManifestFiles {
  /** What came through a pipe can be read once only: it stands for as long as the process runs. */
  let fromPipe: string | null = null;
  return {
    async read(path, signal) {
      if (fromPipe !== null) return fromPipe;
      const { text, isPipe } = await readUserFile(path, { clock, signal });
      if (isPipe) fromPipe = text;
      return text;
    },
    watch(path, changed) {
      if (fromPipe !== null) return () => undefined;
      // The folder, not the file: editors and config maps replace the file, and a watch on it would follow the old one.
      const name = basename(path);
      const watcher = watch(dirname(path), (_event, file) => {
        if (file === null || file === name || file.startsWith("..")) changed();
      });
      // A folder that goes away ends the watch; polling goes on.
      watcher.on("error", () => watcher.close());
      return () => watcher.close();
    },
  };
}
