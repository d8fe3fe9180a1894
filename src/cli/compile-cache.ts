// SPDX-License-Identifier: Apache-2.0
import { lstatSync, mkdirSync, realpathSync, type Stats } from "node:fs";
import { dirname, join } from "node:path";

const OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
/** Only the owner of an entry, or of the folder, may rename or remove it: /tmp (inode(7), S_ISVTX). */
const STICKY = 0o1000;

/**
 * A folder for V8's compiled code: the first of `candidates` that is, or can be made, this user's own with mode 0700, below parents in which no other
 * user can put another one in its place. V8 runs what it finds there without a look at the source, so a doubt means no cache. Null when none will do.
 * @param candidates absolute paths
 */
export function compileCacheFolder(candidates: readonly string[]): string | null {
  for (const candidate of candidates) {
    const folder = ownFolder(candidate);
    if (folder !== null) return folder;
  }
  return null;
}

/** Where compiled code may lie: beside the bundle, else in the user's cache. */
export function cacheCandidates(bundleFolder: string, { home, cacheHome }: { home: string | null; cacheHome: string | null }): readonly string[] {
  const users = [cacheHome, home === null ? null : join(home, ".cache")].filter((path) => path?.startsWith("/")).slice(0, 1);
  return [join(bundleFolder, ".compiled"), ...users.map((path) => join(path ?? "", "trusted-iommu", "compiled"))];
}

function ownFolder(path: string): string | null {
  try {
    // Links are followed once: from here on the path that was looked at is the one that is used.
    const parent = realpathSync(makeParent(path));
    if (!isSafeAbove(parent)) return null;
    const folder = join(parent, path.slice(dirname(path).length + 1));
    const found = lstatOrMake(folder);
    return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & OTHERS) === 0 ? folder : null;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return null;
    throw thrown;
  }
}

/** At most the last two folders are made: a home that is not there is not made for a cache. */
function makeParent(path: string): string {
  const parent = dirname(path);
  const above = dirname(parent);
  for (const folder of [above, parent]) {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined && isSafeAbove(realpathSync(dirname(folder)))) mkdirSync(folder, { mode: 0o700 });
  }
  return parent;
}

function lstatOrMake(folder: string): Stats {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found !== undefined) return found;
  mkdirSync(folder, { mode: 0o700 });
  return lstatSync(folder);
}

/** Whether no other user can rename or replace an entry of ours in `folder`, or the folder itself. `folder` has no links in it. */
function isSafeAbove(folder: string): boolean {
  const { uid, mode } = lstatSync(folder);
  const isOurs = uid === 0 || uid === process.geteuid?.();
  const isClosed = (mode & WRITABLE_BY_OTHERS) === 0 || ((mode & STICKY) !== 0 && uid === 0);
  return isOurs && isClosed && (folder === "/" || isSafeAbove(dirname(folder)));
}
