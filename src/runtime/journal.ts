// SPDX-License-Identifier: Apache-2.0

/**
 * An append-only file of lines that outlives the process and need not outlive the machine (no fsync): what is appended is in the kernel when `append`
 * returns. A process that is killed while it writes leaves at most an unfinished last line, which readers ignore.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { access, open, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AppError, errnoOf, messageOf } from "./errors.ts";

export interface Journal {
  /** The whole lines of the file; null when there is none. @throws PROOF_UNREADABLE for what is no plain file of ours, or can't be read */
  read(): Promise<readonly string[] | null>;
  /** Adds lines at the end. Follows a `replace` of this process. @throws PROOF_UNWRITABLE: the file is gone or may end in half a line, replace it */
  append(lines: readonly string[]): Promise<void>;
  /** Puts a new file in the place of the old one, whole or not at all. @throws PROOF_UNWRITABLE */
  replace(lines: readonly string[]): Promise<void>;
  close(): void;
}

export interface JournalOptions {
  readonly path: string;
  /** Makes the folder, or refuses it: called before each `read` of one that is there, and before each `replace`. */
  readonly prepareFolder: (folder: string) => Promise<void>;
}

const FILE_MODE = 0o600;
/** A proof file has a few lines per device. */
const MAX_BYTES = 16 * 1024 * 1024;

export function createJournal({ path, prepareFolder }: JournalOptions): Journal {
  let fd: number | null = null;
  const close = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  return {
    async read() {
      if (!(await isThere(dirname(path)))) return null;
      await prepareFolder(dirname(path)).catch(failed("PROOF_UNREADABLE", path));
      return await readLines(path).catch(failed("PROOF_UNREADABLE", path));
    },
    async append(lines) {
      if (lines.length === 0) return;
      if (fd === null) throw new AppError("PROOF_UNWRITABLE", `${path} is not open for writing`);
      try {
        if (fstatSync(fd).nlink === 0) throw new Error("the file was removed");
        writeAll(fd, textOf(lines));
      } catch (thrown) {
        close();
        failed("PROOF_UNWRITABLE", path)(thrown);
      }
    },
    async replace(lines) {
      close();
      const temporary = join(dirname(path), `.${basename(path)}.new`);
      try {
        await prepareFolder(dirname(path));
        // One writer: the node lock. What a killed one left under this name is overwritten, and never followed as a link.
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND | constants.O_NOFOLLOW;
        const opened = openSync(temporary, flags, FILE_MODE);
        fd = opened;
        writeAll(opened, textOf(lines));
        await rename(temporary, path);
      } catch (thrown) {
        close();
        failed("PROOF_UNWRITABLE", path)(thrown);
      }
    },
    close,
  };
}

/** A few microseconds into the page cache of a memory file system: a trip to a thread would cost more than the write. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    (thrown: unknown) => errnoOf(thrown) !== "ENOENT",
  );
}

async function readLines(path: string): Promise<readonly string[] | null> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return null;
    throw thrown;
  }
  try {
    const { size, mode, uid } = await handle.stat();
    const problem = objection({ size, mode, uid });
    if (problem !== "") throw new AppError("PROOF_UNREADABLE", `${path} ${problem}`);
    // What follows the last newline was not finished, and is empty otherwise.
    return (await handle.readFile("utf8")).split("\n").slice(0, -1);
  } finally {
    await handle.close();
  }
}

function objection({ size, mode, uid }: { size: number; mode: number; uid: number }): string {
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) return "is not a regular file";
  if (uid !== process.getuid?.()) return `belongs to user ${uid}`;
  if ((mode & 0o022) !== 0) return `can be written by others (mode ${(mode & 0o777).toString(8)})`;
  return size > MAX_BYTES ? `has ${size} bytes` : "";
}

function failed(code: "PROOF_UNREADABLE" | "PROOF_UNWRITABLE", path: string): (thrown: unknown) => never {
  return (thrown) => {
    const problem = messageOf(thrown);
    throw new AppError(code, problem.includes(path) ? problem : `${path}: ${problem}`, { cause: thrown });
  };
}
