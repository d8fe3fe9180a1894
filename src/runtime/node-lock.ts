// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fchmodSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { AppError, errnoOf, faultOf } from "./errors.ts";
import { codeForUnmakable, isWritableByOthers, makePrivateFolder, makeSafeFolder } from "./private-folder.ts";

/** Held until `release` or the end of the process, however it ends. */
export interface NodeLock {
  readonly path: string;
  release(): void;
}

export interface NodeLockOptions {
  /** Locks the open file for writing, without waiting; throws EAGAIN when another one has it locked, in whatever way. */
  readonly lockFile: (fd: number) => void;
  /** The folder is the agent's alone, and is closed to others. One that was named by hand may be `/run` or `/tmp` and stays as it is. */
  readonly ownsFolder: boolean;
}

/** The first byte of the lock, 1 GiB into the file: SQLite's PENDING_BYTE. Tells our lock from others in /proc/locks. */
const LOCK_BYTE = 1_073_741_824;

const FILE_MODE = 0o600;
const PERMISSION_BITS = 0o777;
const HELD_BY_ANOTHER: readonly unknown[] = ["EAGAIN", "EACCES"];

/**
 * Takes the lock that makes an agent the only one on its node, without waiting.
 *
 * The lock must die with its holder, kill -9 included, and hold across containers that share nothing but the folder. An abstract socket is per network
 * namespace, a pid file is per pid namespace, and both a pid file and a socket path leave something behind whose removal races. A record lock is
 * freed by the kernel at process end and checked per inode, whatever the namespaces. The file stays empty; it must be on a local file system, and
 * must not be removed while it is held. A process that can open it can lock it: it is this user's alone.
 *
 * @throws NODE_LOCKED (with the holder's pid where /proc shows it) · NOT_PERMITTED · CONFIG_INVALID when the file can't be made or is not safe
 */
export async function takeNodeLock(path: string, { lockFile, ownsFolder }: NodeLockOptions): Promise<NodeLock> {
  const folder = await (ownsFolder ? makePrivateFolder : makeSafeFolder)(dirname(path));
  const place = join(folder, basename(path));
  let fd: number | null = openLock(path, place);
  try {
    makePrivate(path, fd);
    lock(path, { place, fd, lockFile });
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
  return {
    path,
    release() {
      if (fd !== null) closeSync(fd);
      fd = null;
    },
  };
}

function openLock(path: string, place: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return openSync(place, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
  } catch (thrown) {
    throw unusable(path, faultOf(thrown), thrown);
  }
}

/** What others could write to until now, or own, they may still have open: a lock on it proves nothing. */
function makePrivate(path: string, fd: number): void {
  const found = fstatSync(fd);
  if (!found.isFile()) throw unusable(path, "it is no regular file");
  if (found.uid !== process.geteuid?.()) throw unusable(path, `it belongs to user ${found.uid}`);
  if (isWritableByOthers(found)) throw unusable(path, `other users can write to it (mode ${(found.mode & PERMISSION_BITS).toString(8)})`);
  if ((found.mode & PERMISSION_BITS) !== FILE_MODE) fchmodSync(fd, FILE_MODE);
}

interface Opened {
  readonly place: string;
  readonly fd: number;
  readonly lockFile: (fd: number) => void;
}

function lock(path: string, { place, fd, lockFile }: Opened): void {
  try {
    lockFile(fd);
  } catch (thrown) {
    if (!HELD_BY_ANOTHER.includes(errnoOf(thrown))) throw unusable(path, faultOf(thrown), thrown);
    const pid = holderOf(place, fd);
    const holder = pid === null ? "" : ` (process ${pid})`;
    throw new AppError("NODE_LOCKED", `another agent${holder} runs on this node: it holds ${path}; stop it, or give this one its own --lock`, {
      details: { path, pid },
    });
  }
}

function unusable(path: string, what: string, cause?: unknown): AppError {
  return new AppError(codeForUnmakable(cause), `the lock file ${path} cannot be used: ${what}; give a place that is this user's alone with --lock`, {
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Only for the message: null when the holder is in another pid namespace, or too much would have to be read. */
function holderOf(place: string, fd: number): number | null {
  try {
    return holderFromLocks(readFileSync("/proc/locks", "utf8"), fstatSync(fd).ino) ?? openerOf(place);
  } catch {
    return null;
  }
}

/**
 * The holder is named for a lock of a process alone, as earlier versions take it: `1: POSIX ADVISORY WRITE 4711 fe:00:9977860 1073741824 1073742335`
 * (proc(5)). One of an open file has -1 in its place.
 */
export function holderFromLocks(text: string, inode: number): number | null {
  for (const line of text.split("\n")) {
    const [, , , , pid, file, start] = line.trim().split(/\s+/);
    if (file?.endsWith(`:${inode}`) && Number(start) === LOCK_BYTE && Number(pid) > 0) return Number(pid);
  }
  return null;
}

const MOST_LINKS = 20_000;

/** The first other process that has the file open. */
function openerOf(place: string): number | null {
  let left = MOST_LINKS;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    for (const file of namesIn(`/proc/${pid}/fd`)) {
      left -= 1;
      if (left < 0) return null;
      if (targetOf(`/proc/${pid}/fd/${file}`) === place) return Number(pid);
    }
  }
  return null;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // It has ended, or may not be looked into.
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
