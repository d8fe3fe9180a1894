// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../runtime/clock.ts";
import type { StopSignals } from "../runtime/signals.ts";
import type { Environment } from "./environment.ts";
import type { Terminal } from "./view/live.ts";
import type { Canvas } from "./view/text.ts";

/** Standard output as commands see it. */
export interface Output extends Terminal {
  readonly isTTY: boolean;
}

/** What could not be written: a lasting command drops rather than waits. */
export interface Drops {
  /** Texts dropped so far. */
  counts(): { readonly stdout: number; readonly stderr: number };
  /** Called when standard error flows again, with the number of texts that are missing in it. */
  onFlow(listener: (dropped: number) => void): void;
}

/** For a command that ends by itself: it waits for its reader, and ends with it. */
export const noDrops: Drops = { counts: () => ({ stdout: 0, stderr: 0 }), onFlow: () => undefined };

/** What every command is given of the world outside. */
export interface Context {
  readonly environment: Environment;
  readonly workingFolder: string;
  readonly output: Output;
  readonly errors: { write(text: string): unknown };
  readonly drops: Drops;
  readonly clock: Clock;
  readonly signals: StopSignals;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}

/** Width of output that no terminal limits: a file or a pipe, where cutting would lose something. */
const UNLIMITED_COLUMNS = 500;
const DEFAULT_COLUMNS = 80;

export function canvasOf({ output, environment }: Context): Canvas {
  const width = output.isTTY ? output.columns || DEFAULT_COLUMNS : UNLIMITED_COLUMNS;
  return { width, colour: hasColour(output, environment) };
}

/** NO_COLOR goes before FORCE_COLOR, both before what the output is. */
export function hasColour(output: Pick<Output, "isTTY">, environment: Environment): boolean {
  if (environment.noColour) return false;
  return environment.forceColour || (output.isTTY && environment.term !== "dumb");
}

export function printLines(context: Context, lines: readonly string[]): void {
  context.output.write(lines.map((line) => `${line}\n`).join(""));
}

/** What a command's action resolves to; the process ends with it. */
export type CommandResult = number;

/** Connects an action to commander: the result is kept for main. */
export type Act = (work: () => Promise<CommandResult>) => Promise<void>;
