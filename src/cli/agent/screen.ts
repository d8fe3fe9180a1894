// SPDX-License-Identifier: Apache-2.0
import type { NodeStatus } from "../../domain/status.ts";
import { clean } from "../../runtime/printable.ts";
import { type Context, hasColour } from "../context.ts";
import { changeLines } from "../view/changes.ts";
import { createLiveView } from "../view/live.ts";
import { nodeTables } from "../view/tables.ts";
import { humanLogLine } from "./log-line.ts";

/** Where a standalone agent shows what it does: redrawn tables on a terminal, lines of what changed elsewhere. */
export interface Screen {
  /** A screen that is redrawn: log lines must go through `log`, or they would tear the picture. */
  readonly isLive: boolean;
  show(node: string, status: NodeStatus): void;
  /** A line of the log. */
  log(json: string): void;
  /** A line for people. */
  say(text: string): void;
  /** Leaves the last picture and gives the cursor back. Repeatable. */
  close(): void;
}

/** In cluster mode the terminal shows the log only. */
export const noScreen: Screen = { isLive: false, show: () => undefined, log: () => undefined, say: () => undefined, close: () => undefined };

/** What stands below the live tables, so that people know how to leave. */
export interface ScreenOptions {
  readonly footer: string;
}

export function createScreen(context: Context, options: ScreenOptions): Screen {
  const { output, environment } = context;
  return output.isTTY && environment.term !== "dumb" ? liveScreen(context, options) : lineScreen(context);
}

function liveScreen(context: Context, { footer }: ScreenOptions): Screen {
  const { output, clock, environment } = context;
  const colour = hasColour(output, environment);
  const view = createLiveView(output, clock);
  return {
    isLive: true,
    show: (node, status) => view.show(({ width, height }) => [...nodeTables(node, status, { width, height: height - 1, colour }), footer]),
    log: (json) => view.print(humanLogLine(json, colour)),
    say: (text) => view.print(clean(text)),
    close: () => view.close(),
  };
}

function lineScreen({ output, clock }: Context): Screen {
  let before: NodeStatus | null = null;
  const say = (text: string): void => {
    output.write(`${new Date(clock.wallMs()).toISOString().slice(11, 23)} ${clean(text)}\n`);
  };
  return {
    isLive: false,
    show(_node, status) {
      if (before === null && status.simulated) say("SIMULATED: no TDX hardware is used, nothing here is real");
      for (const text of changeLines(before, status)) say(text);
      before = status;
    },
    log: () => undefined,
    say,
    close: () => undefined,
  };
}
