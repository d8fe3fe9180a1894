// SPDX-License-Identifier: Apache-2.0

/** The files of an audit log in their folder: each is named by the number of its first line, so that the order of names is the order of lines. */
import { type FileHandle, open, readdir } from "node:fs/promises";
import { lineFrom } from "../domain/audit/line.ts";

/** Of each file, but for the one line that goes beyond it. */
export const MOST_BYTES = 16 * 1024 * 1024;
export const MOST_FILES = 10;

const NAME = /^audit-(\d{15})\.jsonl$/;

export function nameOf(seq: number): string {
  return `audit-${String(seq).padStart(15, "0")}.jsonl`;
}

/** Number of the first line of a file of ours; null for a file of somebody else's. */
export function seqOfName(name: string): number | null {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Names in the order in which they were written. @throws the errno of readdir */
export async function filesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names.filter((name) => seqOfName(name) !== null).sort();
}

/** Longer than any line. */
const TAIL_BYTES = 64 * 1024;

export interface Tail {
  readonly size: number;
  /** Number of the last line that can be read; null when none can in the last 64 KiB. */
  readonly lastSeq: number | null;
  /** The file ends in the middle of a line. */
  readonly isCut: boolean;
}

export async function tailOf(handle: FileHandle): Promise<Tail> {
  const { size } = await handle.stat();
  const length = Math.min(size, TAIL_BYTES);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
  const text = buffer.toString("utf8", 0, bytesRead);
  const last = text
    .split("\n")
    .slice(0, -1)
    .findLast((row) => lineFrom(row) !== null);
  return { size, lastSeq: last === undefined ? null : (lineFrom(last)?.seq ?? null), isCut: text !== "" && !text.endsWith("\n") };
}

/** A plain file that is not a link. @throws the errno of open(2) */
export async function openFile(path: string, flags: number, mode?: number): Promise<FileHandle> {
  const handle = await open(path, flags, mode);
  const isFile = await handle.stat().then(
    (found) => found.isFile(),
    () => false,
  );
  if (isFile) return handle;
  await handle.close();
  throw new Error(`${path} is not a regular file`);
}
