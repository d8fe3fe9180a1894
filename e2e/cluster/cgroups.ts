// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

const ROOT = "/sys/fs/cgroup";

/** Controllers a kubelet needs below its root group (cgroup v2). */
const CONTROLLERS = ["cpu", "cpuset", "memory", "pids", "io"];

/** Where a node's groups have to be made: one folder per hierarchy with cgroup v1, one in all with v2. */
export function planCgroupPaths(name: string): string[] {
  if (isVersion2()) return [join(ROOT, name)];
  // The "unified" hierarchy of a hybrid machine is among them: runc makes groups there too.
  const hierarchies = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return hierarchies.map((entry) => join(ROOT, entry.name, name));
}

/** Makes a node's root group, which its kubelet uses as `cgroupRoot`.
 *  With v1 a new cpuset group is empty and nothing can run in it until both masks are copied from its parent. */
export function ensureCgroup(path: string): void {
  mkdirSync(path, { recursive: true });
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const parent = join(path, "..", file);
    if (!isVersion2() && existsSync(parent)) writeFileSync(join(path, file), readFileSync(parent));
  }
  if (isVersion2()) enableControllers(path);
}

/** Removes groups with all groups below them. Their processes must be dead; the kernel may need a moment to notice.
 *  @throws when a group stays busy. */
export async function removeCgroups(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const look = (): Look<true> => (tryRemoveTree(path) ? met(true) : notYet("busy"));
    await waitUntil(`the removal of ${path}`, look, { deadlineMs: 20_000, everyMs: 20 });
  }
}

function isVersion2(): boolean {
  return existsSync(join(ROOT, "cgroup.controllers"));
}

function enableControllers(path: string): void {
  const available = readFileSync(join(path, "cgroup.controllers"), "utf8").trim().split(" ");
  const wanted = CONTROLLERS.filter((controller) => available.includes(controller));
  writeFileSync(join(path, "cgroup.subtree_control"), wanted.map((controller) => `+${controller}`).join(" "));
}

function tryRemoveTree(path: string): boolean {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory() && !tryRemoveTree(join(path, entry.name))) return false;
    }
    rmdirSync(path);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}
