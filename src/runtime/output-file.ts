// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { errnoOf } from "./errors.ts";
import type { OutputFile } from "./steady-output.ts";

/**
 * An inherited output (1, 2) as a file that is never waited for.
 *
 * A pipe or terminal is opened a second time without blocking: the flag belongs to the open file and not to the descriptor, so that on the inherited
 * one it would be set for every process that shares it, and any of them could take it away again. A socket cannot be opened by a path: Node's own
 * stream for it, which must have been looked at before, has set the flag. Writes to files and other devices return at once, or with an error.
 */
export function openOutputFile(descriptor: number): OutputFile {
  const mustReopen = fstatSync(descriptor).isFIFO() || isatty(descriptor);
  let own: number | null = null;
  const fileNow = (): number => {
    if (!mustReopen) return descriptor;
    own ??= reopen(descriptor);
    return own;
  };
  return {
    write(bytes) {
      try {
        return writeSync(fileNow(), bytes);
      } catch (thrown) {
        const code = errnoOf(thrown);
        if (code === "EAGAIN") return 0;
        // A pipe with a name may get another reader: it is opened anew for the next text.
        if (code === "EPIPE" && own !== null && own !== descriptor) closeSync(own);
        if (code === "EPIPE") own = null;
        throw thrown;
      }
    },
  };
}

/** @throws EPIPE when nothing reads the pipe */
function reopen(descriptor: number): number {
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENXIO") {
      throw Object.assign(new Error("nothing reads this pipe", { cause: thrown }), { code: "EPIPE" });
    }
    // Another user's terminal or pipe (su, sudo -u) can't be opened, only inherited. Node has set the flag for a pipe; a terminal may make us wait.
    return descriptor;
  }
}
