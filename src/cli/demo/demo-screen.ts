// SPDX-License-Identifier: Apache-2.0
import type { NodeStatus } from "../../domain/status.ts";
import { clean } from "../../runtime/printable.ts";
import { createScreen, noScreen, type Screen } from "../agent/screen.ts";
import { type Context, canvasOf, printLines } from "../context.ts";
import { nodeTables } from "../view/tables.ts";

const FOOTER = "Ctrl-C withdraws the devices, clears the units and ends";

/** The live view of `npm start`. */
export function demoScreen(context: Context): Screen {
  return createScreen(context, { footer: FOOTER });
}

/** `--once`: nothing but what is said and the final tables; the log goes to stderr as always. */
export function quietScreen(context: Context): Screen {
  return { ...noScreen, say: (text) => printLines(context, [clean(text)]) };
}

export function printTables(context: Context, node: string, status: NodeStatus): void {
  printLines(context, nodeTables(node, status, { ...canvasOf(context), height: null }));
}
