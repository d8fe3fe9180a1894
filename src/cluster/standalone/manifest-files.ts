// SPDX-License-Identifier: Apache-2.0
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** The two things that a manifest needs of the file system; passed in so that tests decide when a change is noticed. */
export interface ManifestFiles {
  /** @throws the errno of the system call that failed */
  read(path: string): Promise<string>;
  /** Calls `changed` when something happened to `path`; may miss it, and may call for nothing. Returns how to stop. */
  watch(path: string, changed: () => void): () => void;
}

export const manifestFiles: ManifestFiles = {
  read: (path) => readFile(path, "utf8"),
  watch(path, changed) {
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
