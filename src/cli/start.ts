// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../runtime/clock.ts";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import type { StopSignals } from "../runtime/signals.ts";
import type { Environment } from "./environment.ts";
import { run } from "./program.ts";
import { VERSION } from "./version.ts";

/** However the process ends, a terminal gets its cursor back: an exception in a callback passes no border of ours. */
const SHOW_CURSOR = "\u001b[?25h";

export interface StartInputs {
  /** The command line without the interpreter and the script. */
  readonly words: readonly string[];
  readonly environment: Environment;
  readonly signals: StopSignals;
}

/** Runs a command in the process's own world, and ends the process. */
export async function start({ words, environment, signals }: StartInputs): Promise<void> {
  process.on("exit", () => process.stdout.isTTY && process.stdout.write(SHOW_CURSOR));
  // Who read our output is gone (`… | head`): there is nobody to tell, and nothing to report.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT_CODES.Ok);
    throw error;
  });
  const code = await run(
    words,
    {
      environment,
      workingFolder: process.cwd(),
      // A stream that is no terminal has neither size nor isTTY; commands look at isTTY first.
      output: process.stdout,
      errors: process.stderr,
      clock: systemClock,
      signals,
      exit: (code) => process.exit(code),
    },
    VERSION,
  );
  // Not process.exit at once: what was written to a pipe may not have left yet. Whatever is left running is a bug that must not keep a pod alive.
  process.exitCode = code;
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}
