// SPDX-License-Identifier: Apache-2.0
/** What the demonstration shows: the live view, or with --once the final tables. */
import type { ReadStatus } from "../../domain/status.ts";
import { clean } from "../../runtime/printable.ts";
import type { OutputForm } from "../config/settings.ts";
import { type Context, canvasOf, printLines } from "../context.ts";
import { createScreen, logScreen, type Screen } from "../process/screen.ts";
import { nodeTables } from "../view/tables.ts";
import { jsonText } from "../view/text.ts";

const FOOTER = "Ctrl-C withdraws the devices, clears the units and ends";

/** The live view of `npm start`, and what stands for it off a terminal. */
export function demoScreen(context: Context, output: OutputForm): Screen {
  return createScreen(context, { output, footer: FOOTER });
}

/** `--once`: what is said and the final tables on standard output; the log, where something is wrong, on standard error. */
export function quietScreen(context: Context, output: OutputForm): Screen {
  const log = logScreen(context, output);
  return output === "json" ? log : { ...log, tellsChanges: true, say: (text) => printLines(context, [clean(text)]) };
}

/** The node once it has settled. */
export function printSettled(context: Context, output: OutputForm, status: ReadStatus): void {
  const tables = (): readonly string[] => nodeTables("demo", status, { ...canvasOf(context), height: null });
  printLines(context, output === "json" ? [jsonText(status)] : tables());
}
