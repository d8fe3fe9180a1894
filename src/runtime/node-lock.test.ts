// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holderFromLocks, takeNodeLock } from "./node-lock.ts";

let folder = "";
let children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "node-lock-"));
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  rmSync(folder, { recursive: true });
});

/** Another process that takes the lock and says so; a lock of our own process would not be in our way. */
async function holder(path: string): Promise<ChildProcess> {
  const script = `import { takeNodeLock } from ${JSON.stringify(new URL("./node-lock.ts", import.meta.url).href)};
    await takeNodeLock(${JSON.stringify(path)}); console.log("held"); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout!, "data");
  return child;
}

test("a second process is refused with the holder's pid, and gets the lock once the holder is killed", async () => {
  const path = join(folder, "new", "agent.lock");
  const child = await holder(path);
  await expect(takeNodeLock(path)).rejects.toMatchObject({ code: "NODE_LOCKED", details: { path, pid: child.pid } });
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = await takeNodeLock(path);
  lock.release();
  lock.release();
});

test("a lock that was given back can be taken by another process", async () => {
  const path = join(folder, "agent.lock");
  (await takeNodeLock(path)).release();
  await holder(path);
});

test("a place that cannot be written is the configuration's fault", async () => {
  await expect(takeNodeLock("/proc/agent.lock")).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("--lock") });
});

test("the holder is read from the line of this inode with SQLite's lock byte", () => {
  const text = [
    "1: FLOCK  ADVISORY  WRITE 11 fe:00:77 0 EOF",
    "2: POSIX  ADVISORY  WRITE 22 fe:00:177 1073741824 1073742335",
    "3: POSIX  ADVISORY  WRITE 33 fe:00:77 1073741824 1073742335",
  ].join("\n");
  expect([holderFromLocks(text, 77), holderFromLocks(text, 7)]).toEqual([33, null]);
});
