// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type NodeLock, takeNodeLock } from "../../src/runtime/node-lock.ts";
import { buildFlavour, loadFlavour } from "./flavours.ts";

const { lockFile } = loadFlavour("release");
const take = (path: string, ownsFolder = false): Promise<NodeLock> => takeNodeLock(path, { lockFile, ownsFolder });
const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

let folder = "";
let path = "";
let children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "node-lock-"));
  path = join(folder, "agent.lock");
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  rmSync(folder, { recursive: true });
});

const SETUP = `
  import { createRequire } from "node:module";
  import { takeNodeLock } from ${JSON.stringify(new URL("../../src/runtime/node-lock.ts", import.meta.url).href)};
  const { lockFile } = createRequire("/")(${JSON.stringify(buildFlavour("release"))});`;
const NEW = (at: string): string => `${SETUP} await takeNodeLock(${JSON.stringify(at)}, { lockFile, ownsFolder: false });`;
/** As the agent took its lock until now. */
const OLD = (at: string): string => `
  import { DatabaseSync } from "node:sqlite";
  globalThis.held = new DatabaseSync(${JSON.stringify(at)}, { timeout: 0 });
  held.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");`;

/** Another process that runs `script` and stays. */
async function holder(script: string): Promise<ChildProcess> {
  const words = ["--input-type=module-typescript", "-e", `${script} console.log("held"); setInterval(() => undefined, 1000);`];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

describe("the node lock", () => {
  it.each([
    ["the same", NEW],
    ["the earlier, which used SQLite,", OLD],
  ])("refuses a second agent of %s version with the holder's pid, and is free once the holder is killed", async (_what, script) => {
    const child = await holder(script(path));
    await expect(take(path)).rejects.toMatchObject({ code: "NODE_LOCKED", details: { path, pid: child.pid } });
    await end(child);
    const lock = await take(path);
    lock.release();
    lock.release();
    await holder(script(path));
  });

  it("is in the way of an agent of the earlier version", async () => {
    const lock = await take(path);
    const refused = spawnSync(process.execPath, ["--input-type=module", "-e", OLD(path)], { encoding: "utf8" });
    expect(refused.stderr).toContain("database is locked");
    lock.release();
    await holder(OLD(path));
  });

  it("is not lost when another descriptor of the file is closed", async () => {
    const lock = await take(path);
    closeSync(openSync(path, "r"));
    await expect(take(path)).rejects.toMatchObject({ code: "NODE_LOCKED" });
    lock.release();
  });
});

describe("the lock file", () => {
  it("is its user's alone, as is a folder that is made for it or that is the agent's own", async () => {
    const made = join(folder, "new", "agent.lock");
    (await take(made)).release();
    expect([modeOf(made), modeOf(join(folder, "new"))]).toEqual(["600", "700"]);
    writeFileSync(path, "", { mode: 0o644 });
    chmodSync(folder, 0o755);
    (await take(path)).release();
    expect([modeOf(path), modeOf(folder)]).toEqual(["600", "755"]);
    (await take(path, true)).release();
    expect(modeOf(folder)).toBe("700");
  });

  it("is refused when others can write to it, when it is another user's, a link or no file", async () => {
    const refusal = (what: string) => ({ code: "CONFIG_INVALID", message: expect.stringMatching(new RegExp(`${what}.*--lock`)) });
    writeFileSync(path, "");
    chmodSync(path, 0o666);
    await expect(take(path)).rejects.toMatchObject(refusal("other users can write to it"));
    chmodSync(path, 0o644);
    chownSync(path, 12_345, 12_345);
    await expect(take(path)).rejects.toMatchObject(refusal("belongs to user 12345"));
    symlinkSync("elsewhere", join(folder, "link"));
    await expect(take(join(folder, "link"))).rejects.toMatchObject(refusal("ELOOP"));
    expect(existsSync(join(folder, "elsewhere"))).toBe(false);
    spawnSync("mkfifo", [join(folder, "fifo")]);
    await expect(take(join(folder, "fifo"))).rejects.toMatchObject(refusal("no regular file"));
    mkdirSync(join(folder, "open"));
    chmodSync(join(folder, "open"), 0o777);
    await expect(take(join(folder, "open", "agent.lock"))).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("open"),
    });
  });

  it("that may not be made for want of rights says so, and one in a place where none can be made says that", async () => {
    chmodSync(folder, 0o755);
    const script = `${SETUP} await takeNodeLock(${JSON.stringify(path)}, { lockFile, ownsFolder: false }).catch((error) => console.log(error.code));`;
    const words = ["--input-type=module-typescript", "-e", script];
    const { stdout } = spawnSync(process.execPath, words, { encoding: "utf8", uid: 12_345, gid: 12_345, cwd: "/" });
    expect(stdout.trim()).toBe("NOT_PERMITTED");
    await expect(take("/proc/x/agent.lock")).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("ENOENT") });
  });
});
