// SPDX-License-Identifier: Apache-2.0
import { styleText } from "node:util";
import { clean, escapeInJson } from "../../runtime/printable.ts";

/** Text for a terminal: colour, and fitting into a given width. Pure; views are arrays of lines, none wider than they were told. */

const STYLES = {
  plain: [],
  bold: ["bold"],
  dim: ["dim"],
  good: ["green"],
  bad: ["red"],
  busy: ["cyan"],
  warn: ["yellow"],
  banner: ["bold", "black", "bgYellow"],
} as const satisfies Record<string, Parameters<typeof styleText>[0]>;
export type Style = keyof typeof STYLES;

/** How a view is drawn: width in columns, and with or without colour. */
export interface Canvas {
  readonly width: number;
  readonly colour: boolean;
}

/** A piece of text with one style. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

/** What is shown comes from files and other programs: a span has nothing in it that a terminal would obey. */
export function span(text: string, style: Style = "plain"): Span {
  return { text: clean(text), style };
}

/** One line from spans, cut with … at the canvas' width. The text counts, the colour does not. */
export function line(spans: readonly Span[], canvas: Canvas): string {
  let left = canvas.width;
  const total = spans.reduce((sum, { text }) => sum + columns(text), 0);
  const parts: string[] = [];
  for (const { text, style } of spans) {
    const shown = total > canvas.width ? truncate(text, left) : text;
    left -= columns(shown);
    parts.push(paint(shown, style, canvas.colour));
    if (shown !== text) break;
  }
  return parts.join("").trimEnd();
}

/** `text` with the escape codes of `style`; as it is without colour. */
export function paint(text: string, style: Style, colour: boolean): string {
  const shown = clean(text);
  // Whether there is colour was decided by the caller, for its own output: Node is not asked.
  return colour && shown !== "" ? styleText(STYLES[style], shown, { validateStream: false }) : shown;
}

/** Columns `text` takes. Everything shown here is of width 1 (hex, ASCII names, arrows, marks). */
export function columns(text: string): number {
  return [...text].length;
}

/** At most `width` columns, the cut marked by … */
export function truncate(text: string, width: number): string {
  if (columns(text) <= width) return text;
  if (width <= 0) return "";
  return `${[...text].slice(0, width - 1).join("")}…`;
}

/** `text` in lines of at most `width` columns, at least 1, broken at blanks; a word that is longer is broken where the line ends. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  const words = text.split(" ").flatMap((word) => (word === "" ? [""] : (word.match(new RegExp(`.{1,${width}}`, "gu")) ?? [])));
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && columns(last) + 1 + columns(word) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Exactly `width` columns. */
export function padTo(text: string, width: number): string {
  const shown = truncate(text, width);
  return shown + " ".repeat(width - columns(shown));
}

/** Messages come from everywhere: line ends and control characters would break the picture. */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ").trim();
}

/** JSON for a person or a program. Bigints are hex strings. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? `0x${member.toString(16)}` : member), 2);
  return escapeInJson(text);
}
