// SPDX-License-Identifier: Apache-2.0

/** The kernel's log, by its device node: one record a read, from the oldest on. Source: Documentation/ABI/testing/dev-kmsg. */
import { constants, openSync, readSync } from "node:fs";
import { type LogLine, logLineOf } from "./setup-lines.ts";

/** The driver's lines of this boot, and the number of the newest record of all (-1 before the first); or why it can't be read. */
export type LogReading =
  | { readonly kind: "Read"; readonly lines: readonly LogLine[]; readonly newest: number }
  | { readonly kind: "Unreadable"; readonly why: string };

export interface KernelLog {
  /** Lines read before included. Never throws. */
  read(): LogReading;
}

const RECORD_BYTES = 8192;
/** `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];MESSAGE`; more lines, of `KEY=value`, may follow. */
const RECORD = /^(\d+),(\d+),(\d+),[^;]*;([^\n]*)/;

/**
 * Reads what is new each time, and keeps the lines it has found: the buffer is a ring, and what has been overwritten since is still true of this
 * boot. A ring that went round before the first look leaves units Unknown. The file stays open, as opening it again would begin with the oldest record.
 */
export function openKernelLog(path: string): KernelLog {
  const lines: LogLine[] = [];
  let newest = -1;
  const buffer = Buffer.alloc(RECORD_BYTES);
  let file: number | null = null;
  return {
    read() {
      try {
        file ??= openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
        for (let record = next(file, buffer); record !== null; record = next(file, buffer)) {
          const { sequence, line } = parseRecord(record);
          newest = Math.max(newest, sequence);
          if (line !== null) lines.push(line);
        }
        return { kind: "Read", lines: [...lines], newest };
      } catch (thrown) {
        return { kind: "Unreadable", why: codeOf(thrown) };
      }
    },
  };
}

/** Null at the end. EPIPE: records were overwritten before they were read; reading goes on with the oldest one left. */
function next(file: number, buffer: Buffer): string | null {
  for (;;) {
    try {
      const length = readSync(file, buffer, 0, buffer.length, null);
      return length === 0 ? null : buffer.toString("utf8", 0, length);
    } catch (thrown) {
      if (codeOf(thrown) === "EAGAIN") return null;
      if (codeOf(thrown) !== "EPIPE") throw thrown;
    }
  }
}

/** Facility 0 is the kernel's: the kernel gives no other writer that one. The number is -1 when it is no record at all. */
export function parseRecord(record: string): { readonly sequence: number; readonly line: LogLine | null } {
  const [, priority = "", number = "", microseconds = "", message = ""] = RECORD.exec(record) ?? [];
  if (priority === "") return { sequence: -1, line: null };
  const sequence = Number(number);
  const isKernels = Number(priority) >> 3 === 0;
  return { sequence, line: isKernels ? logLineOf(message, { sequence, seconds: Number(microseconds) / 1e6 }) : null };
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}
