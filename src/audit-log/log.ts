// SPDX-License-Identifier: Apache-2.0

/**
 * The audit log in a folder of the agent's own. One writer: the node lock. Everything is asynchronous, so that a disk that does not answer takes at most two
 * of the process's file threads (one append, one sync) and nothing else.
 */
import { constants, type Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { AppError, messageOf } from "../runtime/errors.ts";
import { filesIn, MOST_BYTES, MOST_FILES, nameOf, openFile, seqOfName, tailOf } from "./folder.ts";
import type { AuditPort } from "./port.ts";

export interface AuditLogOptions {
  readonly folder: string;
  readonly agent: string;
  readonly sinceBootMs: () => number;
  /** Makes the folder, or refuses it. */
  readonly prepareFolder: (folder: string) => Promise<void>;
  /** Bytes after which a new file is begun. */
  readonly mostBytes?: number;
  readonly mostFiles?: number;
}

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MODE = 0o600;
/** An Allocate waits for its line: not each of them for two questions more. */
const LOOK_EVERY_MS = 1_000;

interface Current {
  readonly path: string;
  readonly handle: FileHandle;
  /** Bytes of whole lines. */
  size: number;
}

export function createAuditLog(options: AuditLogOptions): AuditPort {
  const { folder, mostBytes = MOST_BYTES, mostFiles = MOST_FILES } = options;
  let current: Current | null = null;
  /** When it is looked again whether the file still has its name. */
  let lookAtMs = 0;

  const close = async (): Promise<void> => {
    const { handle } = current ?? {};
    current = null;
    // What was written is in the kernel.
    await handle?.close().catch(() => undefined);
  };
  const failed = async (thrown: unknown): Promise<never> => {
    void close();
    const problem = messageOf(thrown);
    throw new AppError("AUDIT_UNWRITABLE", problem.includes(folder) ? problem : `${folder}: ${problem}`, { cause: thrown });
  };
  const begin = async (name: string): Promise<Current> => {
    const path = join(folder, name);
    const file: Current = { path, handle: await openFile(path, FLAGS, MODE), size: 0 };
    // From here on `close` has it.
    current = file;
    file.size = (await file.handle.stat()).size;
    return file;
  };
  const rotate = async (seq: number): Promise<Current> => {
    await current?.handle.sync();
    await close();
    const names = await filesIn(folder);
    for (const name of names.slice(0, Math.max(0, names.length - mostFiles + 1))) await unlink(join(folder, name));
    return await begin(nameOf(seq));
  };

  return {
    agent: options.agent,
    sinceBootMs: options.sinceBootMs,
    async open() {
      try {
        await close();
        await options.prepareFolder(folder);
        const name = (await filesIn(folder)).at(-1) ?? nameOf(1);
        const { handle } = await begin(name);
        const { lastSeq, isCut } = await tailOf(handle);
        // Whoever reads it passes over the line that was cut.
        if (isCut && current !== null) current.size += await writeAll(handle, "\n");
        const first = seqOfName(name) ?? 1;
        return Math.max(first, (lastSeq ?? first - 1) + 1);
      } catch (thrown) {
        return await failed(thrown);
      }
    },
    async append(lines, seq) {
      try {
        if (current === null) throw new Error("the log is not open");
        const file = current.size >= mostBytes ? await rotate(seq) : current;
        if (options.sinceBootMs() >= lookAtMs) {
          lookAtMs = options.sinceBootMs() + LOOK_EVERY_MS;
          if (await isGone(file)) throw new Error(`${file.path} was removed`);
        }
        const text = lines.map((line) => `${line}\n`).join("");
        try {
          file.size += await writeAll(file.handle, text);
        } catch (thrown) {
          // A disk that is full takes the beginning of a line: whole lines are left, if the file can still be cut.
          await file.handle.truncate(file.size).catch(() => undefined);
          throw thrown;
        }
      } catch (thrown) {
        await failed(thrown);
      }
    },
    async sync() {
      try {
        await current?.handle.sync();
      } catch (thrown) {
        await failed(thrown);
      }
    },
    close,
  };
}

async function writeAll(handle: FileHandle, text: string): Promise<number> {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
  return bytes.length;
}

/** By its name nobody finds it any more. */
async function isGone({ path, handle }: Current): Promise<boolean> {
  const [held, named]: readonly [Stats, Stats | null] = await Promise.all([handle.stat(), stat(path).catch(() => null)]);
  return named === null || named.ino !== held.ino || named.dev !== held.dev;
}
