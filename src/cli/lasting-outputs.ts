// SPDX-License-Identifier: Apache-2.0
import { inspect } from "node:util";
import type { Clock } from "../runtime/clock.ts";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { openOutputFile } from "../runtime/output-file.ts";
import { cleanLines } from "../runtime/printable.ts";
import { createSteadyOutput } from "../runtime/steady-output.ts";
import { errorText } from "./border.ts";
import type { Context, Drops } from "./context.ts";

/** Holds what a large node says at its first observation. */
const BUFFER_BYTES = 1024 * 1024;

export interface LastingOutputs extends Pick<Context, "output" | "errors"> {
  readonly drops: Drops;
  /** Waits until everything has left, or for `ms`. */
  drain(ms: number): Promise<void>;
}

export interface LastingOptions {
  readonly clock: Clock;
  /** Standard output's reader has gone for good. */
  readonly onReaderGone: () => void;
}

/** Outputs of a command that must go on whatever becomes of their readers. */
export function openLastingOutputs({ clock, onReaderGone }: LastingOptions): LastingOutputs {
  // Looking at Node's own streams sets a socket's flag (openOutputFile); they tell a terminal's size, and nothing is written to them.
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) stream.on("error", () => undefined);
  const out = createSteadyOutput({ file: openOutputFile(1), clock, maxBytes: BUFFER_BYTES });
  const err = createSteadyOutput({ file: openOutputFile(2), clock, maxBytes: BUFFER_BYTES });
  out.onGone(onReaderGone);
  return {
    output: {
      isTTY: stdout.isTTY,
      get columns() {
        return stdout.columns;
      },
      get rows() {
        return stdout.rows;
      },
      write: out.write,
      on: (event, listener) => stdout.on(event, listener),
      off: (event, listener) => stdout.off(event, listener),
    },
    errors: { write: err.write },
    drops: { counts: () => ({ stdout: out.dropped(), stderr: err.dropped() }), onFlow: err.onFlow },
    async drain(ms) {
      await Promise.all([out.drain(ms), err.drain(ms)]);
    },
  };
}

/** What Node itself would write to standard error, which waits for a reader, goes through `errors`, which does not. */
export function takeOverNodesOwnWords({ errors }: Pick<Context, "errors">): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => void errors.write(cleanLines(`trusted-iommu: ${inspect(warning)}\n`)));
  process.on("uncaughtException", (thrown) => {
    errors.write(errorText(thrown, true));
    process.exit(EXIT_CODES.Internal);
  });
}
