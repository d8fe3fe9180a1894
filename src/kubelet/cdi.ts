// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../runtime/atomic-file.ts";
import { AppError, messageOf, toAppError } from "../runtime/errors.ts";
import { createSerialQueue } from "../runtime/serial.ts";
import { renderCdiSpec } from "./cdi-spec.ts";
import type { CdiOutcome, CdiPort, CdiResource } from "./port.ts";

/** Our files are those with this prefix: nobody else's spec is ever touched. */
const PREFIX = "trusted-iommu_";
const FILE_MODE = 0o644;

/**
 * Writes one spec file per resource into `dir` (`/var/run/cdi`), atomically, by a temporary file in the same folder whose name does not end in
 * .json: the runtimes' caches react to a rename inside the folder only. A resource without devices has no file (a spec needs a device).
 * Calls are served one after the other. A problem is MANIFEST_INVALID for a kind CDI does not take, CDI_UNWRITABLE when a file cannot be written
 * or removed. The other resources are written all the same.
 */
export function createCdi(options: { readonly dir: string }): CdiPort {
  const queue = createSerialQueue();
  return { sync: (resources) => queue.run(() => syncFolder(options.dir, resources)) };
}

async function syncFolder(dir: string, resources: readonly CdiResource[]): Promise<CdiOutcome> {
  const served = resources.filter((resource) => resource.devices.length > 0);
  const unwritten = new Set<string>();
  const problems: AppError[] = [];
  const attempt = async (work: () => Promise<unknown>, onFailure: () => void): Promise<void> => {
    await work().catch((thrown: unknown) => {
      problems.push(asProblem(thrown));
      onFailure();
    });
  };
  // Without the folder each write fails, too, and says for which resource.
  if (served.length > 0) await attempt(() => mkdir(dir, { recursive: true }), noMore);
  const keep = new Set(served.map((one) => specFileName(one.resource)));
  for (const one of served) {
    const write = async (): Promise<void> => writeSpec(join(dir, specFileName(one.resource)), renderCdiSpec(one));
    await attempt(write, () => unwritten.add(one.resource));
  }
  await attempt(() => removeOthers(dir, keep), noMore);
  return { problem: problems[0] ?? null, unwritten };
}

const noMore = (): void => undefined;

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
  if ((await readIfThere(path)) !== content) await writeFileAtomic(path, content, FILE_MODE);
}

function asProblem(thrown: unknown): AppError {
  const problem = toAppError(thrown, "CDI_UNWRITABLE");
  return problem === thrown ? problem : new AppError("CDI_UNWRITABLE", `a CDI spec cannot be written: ${messageOf(thrown)}`, { cause: thrown });
}

async function removeOthers(dir: string, keep: ReadonlySet<string>): Promise<void> {
  for (const name of (await absentAsNull(readdir(dir))) ?? []) {
    if (name.startsWith(PREFIX) && name.endsWith(".json") && !keep.has(name)) await absentAsNull(unlink(join(dir, name)));
  }
}

function readIfThere(path: string): Promise<string | null> {
  return absentAsNull(readFile(path, "utf8"));
}

async function absentAsNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw thrown;
  }
}
