// SPDX-License-Identifier: Apache-2.0

/** Files that containers of a claim read: `<folder>/<uid of the claim>/<place of the request>.json`. They follow from the claim's file and prove nothing. */
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../../runtime/atomic-file.ts";
import { errnoOf } from "../../runtime/errors.ts";
import { makeFolder, PUBLIC } from "../../runtime/folder.ts";

/** Any user of the container may read it. */
const FILE_MODE = 0o644;

/** @throws the errno of the system call that failed */
export async function writeMetadata(path: string, content: string): Promise<void> {
  await makeFolder(dirname(path), PUBLIC);
  await writeFileAtomic(path, content, FILE_MODE);
}

/** Also what a run that ended before it wrote the claim's file has left. @throws the errno of the system call that failed */
export async function removeMetadata(dir: string, keep: ReadonlySet<string>): Promise<void> {
  for (const uid of await uidsIn(dir)) if (!keep.has(uid)) await rm(join(dir, uid), { recursive: true, force: true });
}

async function uidsIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return [];
    throw thrown;
  }
}
