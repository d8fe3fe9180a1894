// SPDX-License-Identifier: Apache-2.0

/**
 * Folders for files that this process believes later. Another user who can write to such a folder, or to one above it, can put a file of its own
 * in the place of ours; one who can read it can take a lock on what is in it.
 */
import type { Stats } from "node:fs";
import { chmod, lstat, mkdir, readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AppError, type ErrorCode, errnoOf, faultOf } from "./errors.ts";

const PRIVATE_MODE = 0o700;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_OTHERS = 0o002;
/** Only the owner of an entry, or of the folder, may rename or remove it: /tmp (inode(7), S_ISVTX). */
const STICKY = 0o1000;
const PERMISSION_BITS = 0o777;
/** Linux' own limit (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * Makes `path` a folder of this user's own, mode 0700, with the parents it lacks. One that is there is closed to other users' eyes; one that they
 * could write to until now is refused, because what is in it may be theirs. Folders are made one at a time, so that the errno is that of the
 * folder at fault. @returns the path without symbolic links
 * @throws NOT_PERMITTED (EACCES, EPERM, EROFS) · CONFIG_INVALID when it cannot be made, or when another user can write to it or to a parent
 */
export async function makePrivateFolder(path: string): Promise<string> {
  const place = await makeSafeFolder(path);
  const found = await failing(path, place, () => lstat(place));
  if (found.uid !== currentUid()) throw refused(path, `${place} belongs to user ${found.uid}`, `give it to user ${currentUid()} (chown)`);
  if (isWritableByOthers(found)) throw writable(path, place, found);
  if ((found.mode & PERMISSION_BITS) !== PRIVATE_MODE) await failing(path, place, () => chmod(place, PRIVATE_MODE));
  return place;
}

/**
 * The same for a folder that is not ours alone, such as `/run` or `/tmp`: what is missing is made with mode 0700, what is there stays as it is. It
 * may be writable by other users when it is sticky: an entry that is ours can't be replaced there.
 * @throws as makePrivateFolder
 */
export async function makeSafeFolder(path: string): Promise<string> {
  let place = "/";
  let rest = partsOf(resolve(path));
  let links = 0;
  checkFolder(path, place, await failing(path, place, () => lstat(place)));
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const next = name === ".." ? dirname(place) : join(place, name);
    const found = await findOrMake(path, next);
    if (found.isSymbolicLink()) {
      if (!isTrusted(found.uid)) throw refused(path, `${next} is a link of user ${found.uid}`, "give a path without it");
      links += 1;
      if (links > MOST_LINKS) throw refused(path, `${next} leads through too many links`, "give a path without them");
      const target = await failing(path, next, () => readlink(next));
      if (target.startsWith("/")) place = "/";
      rest = [...partsOf(target), ...rest];
      continue;
    }
    checkFolder(path, next, found);
    place = next;
  }
  return place;
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");

async function findOrMake(path: string, at: string): Promise<Stats> {
  const found = await failing(path, at, () => lstat(at), "ENOENT");
  if (found !== null) return found;
  // EEXIST: another process made it meanwhile. It is looked at below like any other.
  await failing(path, at, () => mkdir(at, { mode: PRIVATE_MODE }), "EEXIST");
  return await failing(path, at, () => lstat(at));
}

function checkFolder(path: string, at: string, found: Stats): void {
  if (!found.isDirectory()) throw refused(path, `${at} is not a folder`, "give another place");
  if (!isTrusted(found.uid)) throw refused(path, `${at} belongs to user ${found.uid}`, "give a place that root or this user owns");
  if (isWritableByOthers(found) && (found.mode & STICKY) === 0) throw writable(path, at, found);
}

function currentUid(): number {
  // Absent on Windows only, where this program does not run.
  return process.geteuid?.() ?? 0;
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === currentUid();
}

/** A group with the number of this user is this user's alone (login.defs(5), USERGROUPS_ENAB). Root's group has members on some systems. */
export function isWritableByOthers({ mode, gid }: Pick<Stats, "mode" | "gid">): boolean {
  const isOwnGroup = gid !== 0 && gid === currentUid();
  return (mode & WRITABLE_BY_OTHERS) !== 0 || ((mode & WRITABLE_BY_GROUP) !== 0 && !isOwnGroup);
}

function writable(path: string, at: string, { mode }: Stats): AppError {
  const bits = (mode & 0o7777).toString(8);
  return refused(path, `other users can write to ${at} (mode ${bits})`, `run chmod go-w ${at}, after a look at what is in it, or give another place`);
}

function refused(path: string, what: string, fix: string): AppError {
  return new AppError("CONFIG_INVALID", `the folder ${path} is not safe: ${what}; ${fix}`, { details: { path } });
}

const WITHOUT_RIGHTS: readonly unknown[] = ["EACCES", "EPERM", "EROFS"];

/** The code for a file or folder that cannot be made: missing rights are told apart from a wrong place. */
export function codeForUnmakable(thrown: unknown): ErrorCode {
  return WITHOUT_RIGHTS.includes(errnoOf(thrown)) ? "NOT_PERMITTED" : "CONFIG_INVALID";
}

async function failing<T>(path: string, at: string, step: () => Promise<T>): Promise<T>;
async function failing<T>(path: string, at: string, step: () => Promise<T>, expected: string): Promise<T | null>;
/** Runs one system call; null for the `expected` errno, an AppError that names the folder for any other. */
async function failing<T>(path: string, at: string, step: () => Promise<T>, expected?: string): Promise<T | null> {
  try {
    return await step();
  } catch (thrown) {
    if (expected !== undefined && errnoOf(thrown) === expected) return null;
    throw new AppError(codeForUnmakable(thrown), `the folder ${path} cannot be made or read at ${at}: ${faultOf(thrown)}`, {
      details: { path },
      cause: thrown,
    });
  }
}
