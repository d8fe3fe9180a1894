// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync, statSync } from "node:fs";
import { chmod, mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { errnoOf } from "./errors.ts";

/** For this user only. */
export const PRIVATE = 0o700;
/** Others may look what is in it. */
export const PUBLIC = 0o755;

/**
 * Makes a folder and the parents it lacks, each with exactly this mode; what is there stays as it is. One at a time, because Node's own recursion never
 * ends where a folder cannot be made below one that is there (/proc), and hides which one it was.
 * @throws the errno of the system call that failed; ENOTDIR when something else is in the way
 */
export async function makeFolder(path: string, mode: number): Promise<void> {
  for (const folder of (await missing(path)).toReversed()) {
    // EEXIST: another process made it meanwhile, or something else is in the way.
    const isOurs = await mkdir(folder).then(() => true, existed);
    if (isOurs) await chmod(folder, mode);
    else if (!(await isFolder(folder))) throw notAFolder(folder);
  }
}

/** The same at once, for commands that do nothing else meanwhile. */
export function makeFolderNow(path: string, mode: number): void {
  const lacking: string[] = [];
  for (let folder = resolve(path); !isFolderNow(folder); folder = dirname(folder)) lacking.push(folder);
  for (const folder of lacking.toReversed()) {
    mkdirSync(folder);
    chmodSync(folder, mode);
  }
}

async function missing(path: string): Promise<string[]> {
  const lacking: string[] = [];
  for (let folder = resolve(path); !(await isFolder(folder)); folder = dirname(folder)) lacking.push(folder);
  return lacking;
}

/** False when there is nothing. @throws ENOTDIR when there is something else */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(absent);
  if (found !== null && !found.isDirectory()) throw notAFolder(path);
  return found !== null;
}

function isFolderNow(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isDirectory()) throw notAFolder(path);
  return found !== undefined;
}

function absent(thrown: unknown): null {
  if (errnoOf(thrown) === "ENOENT") return null;
  throw thrown;
}

function existed(thrown: unknown): false {
  if (errnoOf(thrown) === "EEXIST") return false;
  throw thrown;
}

function notAFolder(path: string): Error {
  return Object.assign(new Error(`ENOTDIR: not a directory, '${path}'`), { code: "ENOTDIR" });
}
