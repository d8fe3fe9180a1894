// SPDX-License-Identifier: Apache-2.0
import { lstat, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { ClaimFile } from "../../domain/dra/claim-file.ts";
import { syncFolder, writeFileAtomic } from "../../runtime/atomic-file.ts";
import { AppError, errnoOf, faultOf, isAppError } from "../../runtime/errors.ts";
import { makeFolder, PUBLIC } from "../../runtime/folder.ts";
import { createSerialQueue } from "../../runtime/serial.ts";
import { metadataOf } from "./claim-metadata.ts";
import { type EditsOf, parseClaimSpec, renderClaimSpec } from "./claim-spec.ts";
import { isClaimUid } from "./claim-uid.ts";
import { removeMetadata, writeMetadata } from "./metadata-files.ts";
import type { ClaimFilesPort } from "./port.ts";

/** cdi.ts' files begin with `trusted-iommu_`: neither touches the other's. */
const PREFIX = "trusted-iommu-claim_";
const IN_PLACE = ".json";
const VOID = ".void";
/** What CDI reads (CDI 1.1: `.json` and `.yaml`), and what was so. Anything else of the prefix resolves nothing: a temporary file, an admin's copy. */
const OURS = [IN_PLACE, ".yaml", VOID];
const FILE_MODE = 0o644;
/** 32 devices, the most of a claim, need some 20 KiB. */
const MAX_BYTES = 1024 * 1024;

export interface ClaimFilesOptions {
  /** Folder of CDI specifications, `/var/run/cdi`; made when the first file is written. */
  readonly dir: string;
  /** Of the host, and under the same path the agent's: for the metadata of claims, a folder for each, made when it is needed. */
  readonly metadataDir: string;
  readonly edits: EditsOf;
}

/**
 * One thing at a time, in the order of the calls: a look at the folder never falls between the two steps of a change. A claim whose file is in place and
 * void at once was prepared again by a run that ended before it removed the void one: it is in place.
 */
export function createClaimFiles({ dir, metadataDir, edits }: ClaimFilesOptions): ClaimFilesPort {
  const queue = createSerialQueue();
  const change = (what: string, uid: string, work: (base: string) => Promise<void>): Promise<void> =>
    queue.run(() => changing(what, uid, () => work(join(dir, `${PREFIX}${checked(uid)}`))));
  return {
    read: () => queue.run(() => readAll(dir)),
    write: (file) =>
      change("written", file.uid, async (base) => {
        const described = metadataOf(file).map((one) => ({ ...one, hostPath: join(metadataDir, file.uid, `${one.place}.json`) }));
        const content = renderClaimSpec(file, edits, described);
        // First: a container is made with them as soon as the claim's file is there.
        for (const { hostPath, content: metadata } of described) await writeMetadata(hostPath, metadata);
        await makeFolder(dir, PUBLIC);
        const [end, other] = file.isVoid ? [VOID, IN_PLACE] : [IN_PLACE, VOID];
        await writeFileAtomic(base + end, content, FILE_MODE);
        if (await isDone(unlink(base + other))) await syncFolder(dir);
      }),
    void: (uid) =>
      change("made void", uid, async (base) => {
        if (await isDone(rename(base + IN_PLACE, base + VOID))) await syncFolder(dir);
      }),
    remove: (uid) =>
      change("removed", uid, async (base) => {
        const removed = [await isDone(unlink(base + IN_PLACE)), await isDone(unlink(base + VOID))];
        if (removed.includes(true)) await syncFolder(dir);
        await removeMetadata(metadataDir, new Set((await namesIn(dir)).flatMap((name) => uidIn(name) ?? [])));
      }),
  };
}

async function readAll(dir: string): Promise<{ files: readonly ClaimFile[]; unreadable: readonly string[] }> {
  const files = new Map<string, ClaimFile>();
  const unreadable: string[] = [];
  try {
    const names = (await readdir(dir)).filter((name) => uidIn(name) !== null);
    // In this order what is in place comes first.
    for (const name of names.sort()) {
      try {
        const file = await readOne(dir, name);
        if (!files.has(file.uid)) files.set(file.uid, file);
      } catch (thrown) {
        unreadable.push(`${join(dir, name)}: ${faultOf(thrown)}`);
      }
    }
  } catch (thrown) {
    if (!isAbsent(thrown)) unreadable.push(`${dir}: ${faultOf(thrown)}`);
  }
  return { files: [...files.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1)), unreadable };
}

/** @throws what is wrong with it */
async function readOne(dir: string, name: string): Promise<ClaimFile> {
  const isVoid = name.endsWith(VOID);
  const uid = uidIn(name) ?? "";
  if (!isClaimUid(uid) || name !== `${PREFIX}${uid}${isVoid ? VOID : IN_PLACE}`) throw new Error("no file of this program has such a name");
  const found = await lstat(join(dir, name));
  // Another user's file, or one that another could write to, says nothing that can be relied on.
  const isOurs = found.isFile() && found.uid === process.geteuid?.() && (found.mode & 0o777) === FILE_MODE;
  if (!isOurs) throw new Error("it is not a file of this user's alone");
  if (found.size > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
  return { ...parseClaimSpec(await readFile(join(dir, name), "utf8"), uid), isVoid };
}

/** What stands where the UID of a claim does; null: it is no claim file. */
function uidIn(name: string): string | null {
  return name.startsWith(PREFIX) && OURS.some((end) => name.endsWith(end)) ? name.slice(PREFIX.length, name.lastIndexOf(".")) : null;
}

/** Empty where the folder is not there. */
async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (thrown) {
    if (isAbsent(thrown)) return [];
    throw thrown;
  }
}

/** It becomes a file name. */
function checked(uid: string): string {
  if (isClaimUid(uid)) return uid;
  throw new AppError("INVARIANT_BROKEN", `${JSON.stringify(uid)} cannot be the UID of a claim file`);
}

async function changing(what: string, uid: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (isAppError(thrown)) throw thrown;
    throw new AppError("CDI_UNWRITABLE", `the file of claim ${uid} cannot be ${what}: ${faultOf(thrown)}`, { cause: thrown });
  }
}

/** False when there was nothing to do it with. */
async function isDone(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (thrown) {
    if (isAbsent(thrown)) return false;
    throw thrown;
  }
}

function isAbsent(thrown: unknown): boolean {
  return errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ENOTDIR";
}
