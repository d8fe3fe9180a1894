// SPDX-License-Identifier: Apache-2.0
import { stripVTControlCharacters } from "node:util";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { columns } from "./text.ts";

/** The part of a terminal's write stream that is needed here. */
export interface Terminal {
  /** False: the terminal takes nothing now, and this text is lost. */
  write(text: string): unknown;
  readonly columns: number;
  readonly rows: number;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Lines for the terminal's present size; no line is wider, and there are at most `height` of them (more are cut). */
export type Draw = (size: Size) => readonly string[];

/** A picture that is redrawn in its place, below what was printed before, without an alternate screen: the last one stays when it ends. */
export interface LiveView {
  /** Shows `draw` from now on. Drawn at once, or soon after the last picture: a burst of changes costs one redraw. */
  show(draw: Draw): void;
  /** Prints `text` above the picture, as scrolling output. */
  print(text: string): void;
  /** Draws what is due and gives the cursor back. Repeatable. */
  close(): void;
}

const ESC = "\u001b[";
const HIDE_CURSOR = `${ESC}?25l`;
const SHOW_CURSOR = `${ESC}?25h`;
/** Synchronized output: terminals that know it show the whole picture at once, the others ignore it. */
const BEGIN = `${ESC}?2026h`;
const END = `${ESC}?2026l`;
const CLEAR_TO_END_OF_LINE = `${ESC}K`;
const CLEAR_BELOW = `${ESC}J`;

/** 20 pictures a second are smooth to the eye and cost nothing. */
const REDRAW_MS = 50;

/** How soon a picture is drawn again that a stopped terminal did not take. */
const STOPPED_REDRAW_MS = 1000;

/** One row stays free for the cursor below the picture: a full screen would scroll. */
const CURSOR_ROWS = 1;

export function createLiveView(terminal: Terminal, clock: Clock): LiveView {
  let draw: Draw | null = null;
  /** Visible width of each line of the picture on the screen. */
  let shown: readonly number[] = [];
  let lastDrawMs = Number.NEGATIVE_INFINITY;
  let timer: Timer | null = null;
  let isClosed = false;

  const size = (): Size => ({ width: Math.max(20, terminal.columns || 80), height: Math.max(5, terminal.rows || 24) - CURSOR_ROWS });

  /** Moves to the first line of the picture. A terminal made narrower since has wrapped its lines: each may take several rows now. */
  const toTop = (): string => {
    const rows = shown.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / size().width)), 0);
    return rows === 0 ? "\r" : `${ESC}${rows}A\r`;
  };

  const redraw = (above = ""): void => {
    timer?.stop();
    timer = null;
    lastDrawMs = clock.nowMs();
    const { width, height } = size();
    const lines = (draw?.({ width, height }) ?? []).slice(0, height);
    const body = lines.map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`).join("");
    const isTaken = terminal.write(`${BEGIN}${HIDE_CURSOR}${toTop()}${above}${body}${CLEAR_BELOW}${END}`) !== false;
    // A terminal that was stopped (Ctrl-S) still shows the picture before, and gets the next one when it goes on.
    if (isTaken) shown = lines.map(visibleColumns);
    else if (!isClosed) timer = clock.after(STOPPED_REDRAW_MS, () => redraw());
  };

  const onResize = (): void => redraw();
  terminal.on("resize", onResize);

  return {
    show(next) {
      if (isClosed) return;
      draw = next;
      if (timer) return;
      const waitMs = lastDrawMs + REDRAW_MS - clock.nowMs();
      if (waitMs <= 0) redraw();
      else timer = clock.after(waitMs, () => redraw());
    },
    print(text) {
      const above = text.split("\n").map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`);
      if (!isClosed) redraw(above.join(""));
    },
    close() {
      if (isClosed) return;
      if (timer) redraw();
      isClosed = true;
      timer?.stop();
      terminal.off("resize", onResize);
      terminal.write(SHOW_CURSOR);
    },
  };
}

function visibleColumns(line: string): number {
  return columns(stripVTControlCharacters(line));
}
