// SPDX-License-Identifier: Apache-2.0

/**
 * Files that a user names: what is found there may be a pipe, a device or a file that never ends, and no read of it may keep the process from
 * ending. A regular file is read; a pipe (`<(...)`, /dev/stdin) is read once; anything else is refused without being opened.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, type Stats, statSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { type Clock, sleep } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import { AppError, errnoOf } from "./errors.ts";

export interface UserText {
  readonly text: string;
  /** What was read is gone: another read would get nothing. */
  readonly isPipe: boolean;
}

export interface ReadOptions {
  readonly clock: Clock;
  /** Ends the wait for a pipe. */
  readonly signal?: AbortSignal;
}

/** A terminal never becomes ours, and nothing waits for the other end. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const MAX_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** Also for a file system that does not answer. */
const READ_WITHIN_MS = 10_000;
const WAIT_NOW_MS = 2_000;
const LOOK_EVERY_MS = 10;

/** @throws the errno of the system call that failed · CONFIG_INVALID when it is no file or too long · DEADLINE when it does not come in time */
export function readUserFile(path: string, { clock, signal }: ReadOptions): Promise<UserText> {
  const deadline = new AbortController();
  const ends = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  const reading = readWhole(path, clock, ends);
  return withDeadline(reading, { clock, ms: READ_WITHIN_MS, what: `reading ${path}` }).finally(() => deadline.abort());
}

async function readWhole(path: string, clock: Clock, ends: AbortSignal): Promise<UserText> {
  refuseOddities(path, await stat(path));
  const file = await open(path, FLAGS);
  try {
    const found = await file.stat();
    refuseOddities(path, found);
    const content = createContent(path, found, file.fd);
    for (;;) {
      const step = content.add(await orEmpty(() => file.read(content.chunk, 0, CHUNK_BYTES, null).then(({ bytesRead }) => bytesRead)));
      if (step === "End") return content.whole();
      if (ends.aborted) throw new AppError("DEADLINE", `${path} was not read to its end`);
      if (step === "Wait") await sleep(clock, LOOK_EVERY_MS, ends);
    }
  } finally {
    await file.close();
  }
}

/**
 * The same without giving way to anything else, for what is read before anything runs; a pipe is waited for up to two seconds.
 * @throws as readUserFile
 */
export function readUserFileNow(path: string): UserText {
  refuseOddities(path, statSync(path));
  const file = openSync(path, FLAGS);
  try {
    const found = fstatSync(file);
    refuseOddities(path, found);
    const content = createContent(path, found, file);
    for (let waitedMs = 0; waitedMs < WAIT_NOW_MS; ) {
      const step = content.add(orEmptyNow(() => readSync(file, content.chunk, 0, CHUNK_BYTES, null)));
      if (step === "End") return content.whole();
      if (step === "More") continue;
      pause(LOOK_EVERY_MS);
      waitedMs += LOOK_EVERY_MS;
    }
    throw new AppError("DEADLINE", `reading ${path} did not finish within ${WAIT_NOW_MS} ms`);
  } finally {
    closeSync(file);
  }
}

type Step = "More" | "Wait" | "End";
/** Nothing is there now, and something may come. */
type Read = number | "Nothing";

interface Content {
  readonly chunk: Buffer;
  /** Takes what was read into `chunk`, and says how to go on. */
  add(read: Read): Step;
  whole(): UserText;
}

function createContent(path: string, found: Stats, descriptor: number): Content {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const parts: Buffer[] = [];
  let bytes = 0;
  const isPipe = found.isFIFO();
  return {
    chunk,
    add(read) {
      if (read === "Nothing") return "Wait";
      // A pipe with a name ends before its first byte for as long as nothing has opened it for writing.
      if (read === 0) return isPipe && bytes === 0 && hasName(descriptor) ? "Wait" : "End";
      bytes += read;
      if (bytes > MAX_BYTES) throw new AppError("CONFIG_INVALID", `${path} is longer than ${MAX_BYTES} bytes: name the right file`);
      parts.push(Buffer.from(chunk.subarray(0, read)));
      return "More";
    },
    whole: () => ({ text: Buffer.concat(parts).toString("utf8"), isPipe }),
  };
}

/** An unnamed pipe reads `pipe:[4711]` (proc(5)). */
function hasName(descriptor: number): boolean {
  return !readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("pipe:");
}

function refuseOddities(path: string, found: Stats): void {
  if (found.isFile() || found.isFIFO()) return;
  throw new AppError("CONFIG_INVALID", `${path} is ${kindOf(found)}: name a regular file`);
}

/** What stands at a path, with its article. */
export function kindOf(found: Stats): string {
  if (found.isFile()) return "a file";
  if (found.isDirectory()) return "a folder";
  if (found.isFIFO()) return "a pipe";
  return found.isSocket() ? "a socket" : "a device";
}

async function orEmpty(read: () => Promise<number>): Promise<Read> {
  try {
    return await read();
  } catch (thrown) {
    return nothingFrom(thrown);
  }
}

function orEmptyNow(read: () => number): Read {
  try {
    return read();
  } catch (thrown) {
    return nothingFrom(thrown);
  }
}

function nothingFrom(thrown: unknown): "Nothing" {
  if (errnoOf(thrown) === "EAGAIN") return "Nothing";
  throw thrown;
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
