// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError, messageOf } from "./errors.ts";

/** Held until `release` or the end of the process, however it ends. */
export interface NodeLock {
  readonly path: string;
  release(): void;
}

/** SQLite's lock byte: 1 GiB into the file (sqlite3 os.h PENDING_BYTE). Tells our lock from others in /proc/locks. */
const SQLITE_PENDING_BYTE = 1_073_741_824;

/** SQLITE_BUSY: somebody else has the lock. */
const SQLITE_BUSY = 5;

/**
 * Takes the lock that makes an agent the only one on its node, without waiting.
 *
 * The lock must die with its holder, kill -9 included, and hold across containers that share nothing but the folder. Node has no flock(2) or
 * fcntl(2); an abstract socket is per network namespace, a pid file is per pid namespace and both a pid file and a socket path leave something
 * behind whose removal races. Node's own SQLite takes a POSIX record lock (fcntl F_SETLK) on its file for an exclusive transaction: the kernel
 * frees it at process end and checks it per inode, whatever the namespaces. The file stays empty; it must be on a local file system, and must not
 * be removed while it is held.
 *
 * @throws NODE_LOCKED (with the holder's pid where /proc/locks shows it) · CONFIG_INVALID when the file can't be made
 */
export async function takeNodeLock(path: string): Promise<NodeLock> {
  const { DatabaseSync } = await import("node:sqlite");
  let database: InstanceType<typeof DatabaseSync> | null = null;
  try {
    await mkdir(dirname(path), { recursive: true });
    database = new DatabaseSync(path, { timeout: 0 });
    // EXCLUSIVE mode keeps the lock in one transaction that is never ended; nothing is ever written.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (thrown) {
    database?.close();
    throw refusal(path, thrown);
  }
  const held = database;
  return {
    path,
    release() {
      if (held.isOpen) held.close();
    },
  };
}

function refusal(path: string, thrown: unknown): AppError {
  if (typeof thrown === "object" && thrown !== null && "errcode" in thrown && thrown.errcode === SQLITE_BUSY) {
    const pid = holderOf(path);
    const holder = pid === null ? "" : ` (process ${pid})`;
    return new AppError("NODE_LOCKED", `another agent${holder} runs on this node: it holds ${path}; stop it, or give this one its own --lock`, {
      details: { path, pid },
    });
  }
  return new AppError("CONFIG_INVALID", `the lock file ${path} cannot be made: ${messageOf(thrown)}; give a writable place with --lock`, {
    details: { path },
    cause: thrown,
  });
}

/** Only for the message: 0 or nothing when the holder is in another pid namespace. */
function holderOf(path: string): number | null {
  try {
    return holderFromLocks(readFileSync("/proc/locks", "utf8"), statSync(path).ino);
  } catch {
    return null;
  }
}

/** A line of /proc/locks reads `1: POSIX ADVISORY WRITE 4711 fe:00:9977860 1073741824 1073742335` (proc(5)). */
export function holderFromLocks(text: string, inode: number): number | null {
  for (const line of text.split("\n")) {
    const [, , , , pid, file, start] = line.trim().split(/\s+/);
    if (file?.endsWith(`:${inode}`) && Number(start) === SQLITE_PENDING_BYTE && Number(pid) > 0) return Number(pid);
  }
  return null;
}
