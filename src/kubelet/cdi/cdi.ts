// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../runtime/atomic-file.ts";
import { AppError, messageOf, toAppError } from "../../runtime/errors.ts";
import { makeFolder, PUBLIC } from "../../runtime/folder.ts";
import { createSerialQueue } from "../../runtime/serial.ts";
import type { CdiOutcome, CdiPort, CdiResource } from "../port.ts";
import { cdiName, namesInSpec, renderCdiSpec } from "./cdi-spec.ts";

/** Our files are those with this prefix: no other program's spec is ever touched. */
const PREFIX = "trusted-iommu_";
const FILE_MODE = 0o644;

/**
 * Writes one spec file per resource into `dir` (`/var/run/cdi`), atomically, by a temporary file in the same folder whose name does not end in
 * .json: the runtimes' caches react to a rename inside the folder only. A resource without devices has no file (a spec needs a device).
 * Calls are served one after the other. A problem is MANIFEST_INVALID for a kind CDI does not take, CDI_UNWRITABLE when a file cannot be written
 * or removed. The other resources are written all the same. What is in place afterwards is read back from the files that are not as asked.
 */
export function createCdi(options: { readonly dir: string }): CdiPort {
  const queue = createSerialQueue();
  return { sync: (resources) => queue.run(() => syncFolder(options.dir, resources)) };
}

async function syncFolder(dir: string, resources: readonly CdiResource[]): Promise<CdiOutcome> {
  const served = resources.filter((resource) => resource.devices.length > 0);
  const written = new Map<string, CdiResource>();
  const problems: AppError[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    await work().catch((thrown: unknown) => void problems.push(asProblem(thrown)));
  };
  // Without the folder each write fails, too, and says for which resource.
  if (served.length > 0) await attempt(() => makeFolder(dir, PUBLIC));
  const keep = new Set(served.map((one) => specFileName(one.resource)));
  for (const one of served) {
    const name = specFileName(one.resource);
    await attempt(async () => {
      await writeSpec(join(dir, name), renderCdiSpec(one));
      written.set(name, one);
    });
  }
  await attempt(async () => {
    for (const name of await ourFiles(dir)) if (!keep.has(name)) await attempt(() => absentAsNull(unlink(join(dir, name))));
  });
  return outcomeOf(dir, written, problems);
}

async function outcomeOf(dir: string, written: ReadonlyMap<string, CdiResource>, problems: readonly AppError[]): Promise<CdiOutcome> {
  const inPlace = new Map<string, readonly string[]>();
  const unreadable: string[] = [];
  for (const { resource, devices } of written.values()) for (const { id, deviceNodes } of devices) inPlace.set(cdiName(resource, id), deviceNodes);
  // What cannot be listed may hold any spec of ours.
  const files = await ourFiles(dir).catch(() => [dir]);
  for (const name of files) {
    if (written.has(name)) continue;
    const content = await readIfThere(name === dir ? dir : join(dir, name)).catch(() => "");
    const found = content === null ? new Map<string, readonly string[]>() : namesInSpec(content);
    if (found === null) unreadable.push(name);
    for (const [cdi, nodes] of found ?? []) inPlace.set(cdi, nodes);
  }
  return { problem: problems[0] ?? null, inPlace, unreadable };
}

async function ourFiles(dir: string): Promise<readonly string[]> {
  const names = (await absentAsNull(readdir(dir))) ?? [];
  return names.filter((name) => name.startsWith(PREFIX) && name.endsWith(".json"));
}

/** With what an atomic write adds to it (42 characters), a longer name would not be one of at most 255 bytes. */
const LONGEST_FILE_NAME = 200;

/**
 * `teeio.dev/gpu` → `trusted-iommu_teeio.dev_gpu.json`. No two resources have one name: a vendor has no `_`, so the first one ends it, and the
 * digest of a long name has none at all.
 */
export function specFileName(resource: string): string {
  const name = `${PREFIX}${resource.replace("/", "_")}.json`;
  if (name.length <= LONGEST_FILE_NAME) return name;
  return `${PREFIX}${createHash("sha256").update(resource).digest("hex")}.json`;
}

async function writeSpec(path: string, content: string): Promise<void> {
  if ((await readOurs(path)) !== content) await writeFileAtomic(path, content, FILE_MODE);
}

function asProblem(thrown: unknown): AppError {
  const problem = toAppError(thrown, "CDI_UNWRITABLE");
  return problem === thrown ? problem : new AppError("CDI_UNWRITABLE", `a CDI spec cannot be written: ${messageOf(thrown)}`, { cause: thrown });
}

function readIfThere(path: string): Promise<string | null> {
  return absentAsNull(readFile(path, "utf8"));
}

/** Null when there is none, or one that another user owns or could write to: a runtime does as root what a spec says. */
async function readOurs(path: string): Promise<string | null> {
  const found = await absentAsNull(lstat(path));
  const isOurs = found?.isFile() && found.uid === process.geteuid?.() && (found.mode & 0o777) === FILE_MODE;
  return isOurs ? readIfThere(path) : null;
}

async function absentAsNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR")) return null;
    throw thrown;
  }
}
