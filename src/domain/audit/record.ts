// SPDX-License-Identifier: Apache-2.0

/**
 * Reads the files of an audit log as far as they go: what cannot be read is passed over and told, and where the numbers of the lines jump, a line is put in
 * that says so. Nothing in a file can end the reading. Pure.
 */
import { auditEvent } from "./event.ts";
import { type AuditLine, lineFrom } from "./line.ts";

/** One file of the log, whole or cut. */
export interface AuditText {
  readonly name: string;
  readonly text: string;
}

/** A line of the log, or a place where some are missing: `seq` of a `Gap` that the reader found is that of the last line before it. */
export interface AuditRecord {
  readonly lines: readonly AuditLine[];
  /** What could not be read, in order, as `FILE line N: why`; at most `MOST_PROBLEMS`. */
  readonly problems: readonly string[];
  /** How many there are in all. */
  readonly unreadable: number;
  /** Where reading ended, `FILE line N`; empty when nothing was read. */
  readonly endedAt: string;
}

export const MOST_PROBLEMS = 20;

/** @param files in the order in which they were written */
export function readRecord(files: readonly AuditText[]): AuditRecord {
  const lines: AuditLine[] = [];
  const problems: string[] = [];
  let unreadable = 0;
  let endedAt = "";
  let isBroken = false;
  const refuse = (place: string, why: string): void => {
    unreadable += 1;
    isBroken = true;
    if (problems.length < MOST_PROBLEMS) problems.push(`${place}: ${why}`);
  };
  for (const { name, text } of files) {
    const rows = text.split("\n");
    // After the last line end comes nothing, or what was not finished.
    const rest = rows.pop() ?? "";
    for (const [at, row] of rows.entries()) {
      const place = `${name} line ${at + 1}`;
      const line = lineFrom(row);
      if (line === null) {
        // A writer that finds a cut line ends it, and goes on in the next.
        refuse(place, row === "" ? "empty" : "not a line of an audit log");
        continue;
      }
      const why = jump(lines.at(-1), line, isBroken);
      if (why !== "") lines.push(found(lines.at(-1), line, why));
      isBroken = false;
      lines.push(line);
      endedAt = place;
    }
    if (rest !== "") refuse(`${name} line ${rows.length + 1}`, "not finished");
  }
  return { lines, problems, unreadable, endedAt };
}

/** Empty: `line` follows on `before`. */
function jump(before: AuditLine | undefined, line: AuditLine, isBroken: boolean): string {
  if (before === undefined) return isBroken ? "lines that could not be read" : "";
  if (line.seq === before.seq + 1) return isBroken ? "something between two lines that could not be read" : "";
  if (line.seq <= before.seq) return `line ${line.seq} after line ${before.seq}`;
  return `lines ${before.seq + 1} to ${line.seq - 1} are missing`;
}

/** A part of the boot that goes on: of one that begins later nothing was told before. */
function found(before: AuditLine | undefined, after: AuditLine, why: string): AuditLine {
  return { ...(before ?? after), ...auditEvent("Gap", "other", { detail: why }), seq: before?.seq ?? 0 };
}
