// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../runtime/clock.ts";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import type { StopSignals } from "../runtime/signals.ts";
import { type Context, noDrops } from "./context.ts";
import type { Environment } from "./environment.ts";
import { run } from "./program.ts";
import { VERSION } from "./version.ts";

/** However the process ends, a terminal gets its cursor back: an exception in a callback passes no border of ours. */
const SHOW_CURSOR = "\u001b[?25h";
/** How long the last words of a lasting command may take to leave. */
const LAST_WORDS_MS = 1000;

export interface StartInputs {
  /** The command line without the interpreter and the script. */
  readonly words: readonly string[];
  readonly environment: Environment;
  readonly signals: StopSignals;
  /** Others depend on this command until it is told to end: no reader may keep it from its work. */
  readonly isLasting: boolean;
}

type Surroundings = Omit<Context, "output" | "errors" | "drops">;

/** Runs a command in the process's own world, and ends the process. */
export async function start({ words, environment, signals, isLasting }: StartInputs): Promise<void> {
  const workingFolder = workingFolderOrNull();
  if (workingFolder === null) {
    process.stderr.write("trusted-iommu: the working folder is gone; go to one that is there first, for example: cd /\n");
    process.exit(EXIT_CODES.Usage);
  }
  const around: Surroundings = { environment, workingFolder, clock: systemClock, signals, exit: (code) => process.exit(code) };
  if (isLasting) await runLasting(words, around);
  else await runOnce(words, around);
}

/** Null: it has been removed, and file names mean nothing in it. */
function workingFolderOrNull(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}

/** Waits for its reader, as a filter does, and ends with it. */
async function runOnce(words: readonly string[], around: Surroundings): Promise<void> {
  // Who read our output is gone (`… | head`): there is no reader to tell, and nothing to report.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT_CODES.Ok);
    throw error;
  });
  // A stream that is no terminal has neither size nor isTTY; commands look at isTTY first.
  const code = await run(words, { ...around, output: process.stdout, errors: process.stderr, drops: noDrops }, VERSION);
  // Not process.exit at once: what was written to a pipe may not have left yet. Whatever is left running is a bug that must not keep a pod alive.
  process.exitCode = code;
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}

async function runLasting(words: readonly string[], around: Surroundings): Promise<void> {
  const { openLastingOutputs, takeOverNodesOwnWords } = await import("./lasting-outputs.ts");
  // A demonstration without a reader is over; an agent is not there to be looked at.
  const onReaderGone = (): void => void (words.includes("demo") && process.kill(process.pid, "SIGTERM"));
  const { drain, ...outputs } = openLastingOutputs({ clock: around.clock, onReaderGone });
  takeOverNodesOwnWords(outputs);
  process.on("exit", () => outputs.output.isTTY && outputs.output.write(SHOW_CURSOR));
  const code = await run(words, { ...around, ...outputs }, VERSION);
  await drain(LAST_WORDS_MS);
  process.exit(code);
}
