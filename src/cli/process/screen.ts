// SPDX-License-Identifier: Apache-2.0
/**
 * Where a role tells what it does, in one form: a live view on a terminal, a line of text for each change elsewhere, or JSON lines of the log. Nothing
 * is told by two of them.
 */
import type { ReadStatus } from "../../domain/status.ts";
import { clean } from "../../runtime/printable.ts";
import type { OutputForm } from "../config/settings.ts";
import { type Context, hasColour } from "../context.ts";
import { changeLines } from "../view/changes.ts";
import { createLiveView } from "../view/live.ts";
import { humanLogLine, timeOf } from "../view/log-line.ts";
import { nodeTables } from "../view/tables.ts";

export interface Screen {
  /** A picture that is redrawn: what is written past it would tear it. */
  readonly isLive: boolean;
  /** Changes of the status are told here, so the log leaves them out. */
  readonly tellsChanges: boolean;
  show(node: string, status: ReadStatus): void;
  /** A line of the log, as JSON. */
  log(json: string): void;
  /** A line for people, beside what is shown. */
  say(text: string): void;
  /** Leaves the last picture and gives the cursor back. Repeatable. */
  close(): void;
}

/** What stands below the live tables, so that people know how to leave. */
export interface ScreenOptions {
  readonly output: OutputForm;
  readonly footer: string;
}

/** A role with a status to show. */
export function createScreen(context: Context, { output: form, footer }: ScreenOptions): Screen {
  const { output, environment } = context;
  if (form === "json") return logScreen(context, form);
  return output.isTTY && environment.term !== "dumb" ? liveScreen(context, footer) : lineScreen(context);
}

/** The log alone, on standard error. */
export function logScreen({ errors, environment }: Context, form: OutputForm): Screen {
  const log = (json: string): void => void errors.write(form === "json" ? json : `${humanLogLine(json, environment.forceColour)}\n`);
  return { isLive: false, tellsChanges: false, show: () => undefined, log, say: () => undefined, close: () => undefined };
}

function liveScreen(context: Context, footer: string): Screen {
  const { output, clock, environment } = context;
  const colour = hasColour(output, environment);
  const view = createLiveView(output, clock);
  return {
    isLive: true,
    tellsChanges: true,
    show: (node, status) => view.show(({ width, height }) => [...nodeTables(node, status, { width, height: height - 1, colour }), footer]),
    log: (json) => view.print(humanLogLine(json, colour)),
    say: (text) => view.print(clean(text)),
    close: () => view.close(),
  };
}

/** Changes on standard output and the log on standard error, alike in form, so that they may go into one file. */
function lineScreen(context: Context): Screen {
  const { output, clock } = context;
  let before: ReadStatus | null = null;
  const say = (text: string): void => {
    output.write(`${timeOf(new Date(clock.wallMs()).toISOString())} ${clean(text)}\n`);
  };
  return {
    ...logScreen(context, "text"),
    tellsChanges: true,
    show(_node, status) {
      if (before === null && status.simulated) say("SIMULATED: no TDX hardware is used, nothing here is real");
      for (const text of changeLines(before, status)) say(text);
      before = status;
    },
    say,
  };
}
