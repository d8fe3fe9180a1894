// SPDX-License-Identifier: Apache-2.0

/** The kernel's log, by its device node: one record a read, from the oldest on. Source: Documentation/ABI/testing/dev-kmsg. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import type { KernelEvidence, SetupLine } from "./evidence.ts";
import { setupLineOf } from "./evidence.ts";

export interface KernelLog {
  /** Lines of SETUP of this boot, those read before included. Never throws. */
  read(): KernelEvidence["log"];
  close(): void;
}

const RECORD_BYTES = 8192;
/** `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];MESSAGE`; more lines, of `KEY=value`, may follow. */
const RECORD = /^(\d+),\d+,(\d+),[^;]*;([^\n]*)/;

/**
 * Reads what is new each time, and keeps the lines it has found: the buffer is a ring, and what has been overwritten since is still true of this
 * boot. A ring that went round before the first look leaves units Unknown.
 */
export function openKernelLog(path: string): KernelLog {
  const lines: SetupLine[] = [];
  const buffer = Buffer.alloc(RECORD_BYTES);
  let file: number | null = null;
  return {
    read() {
      try {
        file ??= openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
        for (let record = next(file, buffer); record !== null; record = next(file, buffer)) {
          const line = parseRecord(record);
          if (line !== null) lines.push(line);
        }
        return { kind: "Read", lines: [...lines] };
      } catch (thrown) {
        return { kind: "Unreadable", why: codeOf(thrown) };
      }
    },
    close() {
      if (file !== null) closeSync(file);
      file = null;
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

/** Facility 0 is the kernel's: the kernel gives no other writer that one. */
export function parseRecord(record: string): SetupLine | null {
  const [, priority = "", microseconds = "", message = ""] = RECORD.exec(record) ?? [];
  if (priority === "" || Number(priority) >> 3 !== 0) return null;
  return setupLineOf(message, Number(microseconds) / 1e6);
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}
