// SPDX-License-Identifier: Apache-2.0
/** How a rung of the tests ended: the counts, and each failure in words short enough to stand at the end of a long log. */
import { stripVTControlCharacters } from "node:util";

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One entry a failure: what failed, and the beginning of what it said. */
  readonly failures: readonly string[];
}

/** Lines of a failure's text that are said again; the whole of it stands where it happened. */
const LINES = 12;
const COLUMNS = 1_000;
/** Of a stack trace, what is not this project's. */
const FOREIGN_FRAME = /^ +at (.*\/node_modules\/|new Promise|.*\(?node:)/;

export function together(one: Outcome, other: Outcome): Outcome {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
    failures: [...one.failures, ...other.failures],
  };
}

/** A failure as one text: `what` on the first line, the beginning of `text` below it. */
export function failureOf(what: string, text: string): string {
  const lines = stripVTControlCharacters(text)
    .trim()
    .split("\n")
    .filter((line) => !FOREIGN_FRAME.test(line));
  const shown = lines.length > LINES ? [...lines.slice(0, LINES), `... ${lines.length - LINES} more lines`] : lines;
  return [what, ...shown.map((line) => `    ${line.slice(0, COLUMNS)}`)].join("\n");
}
