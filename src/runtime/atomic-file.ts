// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Until its content is complete, and where no mode is given: for this user only. */
const PRIVATE_MODE = 0o600;

/**
 * Replaces `path` so that a reader, and the next start after a crash or power loss, sees the old content or the new, never a part: temporary file
 * in the same folder, fsync, rename, fsync of the folder (POSIX rename(2); the last fsync makes the rename itself durable). The folder must exist.
 * The file has exactly `mode`, whatever the umask and the file before. A crash between open and rename leaves a file named `.NAME.UUID.tmp`. @throws the errno of the system call that failed
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode: number = PRIVATE_MODE): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await writeDurably(temporary, content, mode);
    await rename(temporary, path);
  } catch (thrown) {
    await removeQuietly(temporary);
    throw named(thrown, temporary, path);
  }
  await syncFolder(folder);
}

async function writeDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  // "wx": never follow or reuse what another process put there.
  await usingHandle(await open(path, "wx", PRIVATE_MODE), async (handle) => {
    await handle.writeFile(content);
    // Not by open(2): the umask would take from it.
    await handle.chmod(mode);
    await handle.sync();
  });
}

/** fsync of a folder: what was renamed or removed in it is so after a power loss, too. @throws the errno of the system call that failed */
export async function syncFolder(folder: string): Promise<void> {
  await usingHandle(await open(folder, "r"), (handle) => handle.sync());
}

async function usingHandle(handle: FileHandle, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}

/** The error by the file's own name: the temporary one's differs each time, and a text that becomes a condition must not. */
function named(thrown: unknown, temporary: string, path: string): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const { code, errno, syscall }: NodeJS.ErrnoException = thrown;
  return Object.assign(new Error(thrown.message.replaceAll(temporary, path), { cause: thrown }), { code, errno, syscall, path });
}

/** The first error is the one to report: one of tidying up after it would hide it. */
function removeQuietly(path: string): Promise<void> {
  return unlink(path).catch(() => undefined);
}
