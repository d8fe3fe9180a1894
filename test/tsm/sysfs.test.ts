// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sysfsLinks } from "../../src/tsm/sysfs.ts";
import { createScratch, type Scratch } from "../support/scratch.ts";

const DEVICE = "0000:17:00.0";
const HELPER = fileURLToPath(new URL("../../native/build/release/link-writer", import.meta.url));

let scratch: Scratch;
beforeEach(() => {
  scratch = createScratch();
});
afterEach(() => scratch.remove());

const at = (attribute: string): string => join(scratch.path, "sys/bus/pci/devices", DEVICE, attribute);

function addAttribute(attribute: string): void {
  mkdirSync(dirname(at(attribute)), { recursive: true });
  writeFileSync(at(attribute), "");
}

const write = (over: Partial<Parameters<ReturnType<typeof sysfsLinks>["write"]>[0]> = {}, signal = new AbortController().signal) =>
  sysfsLinks(scratch.path).write({ kind: "Connect", owner: DEVICE, tsm: "tsm0", isWanted: true, ...over }, signal);

describe("the writer of links", () => {
  it("writes the TSM's name, and keeps a device awake for as long as its link is wanted", async () => {
    for (const attribute of ["tsm/connect", "tsm/disconnect", "power/control"]) addAttribute(attribute);
    expect(await write()).toEqual({ kind: "Written" });
    expect([readFileSync(at("tsm/connect"), "utf8"), readFileSync(at("power/control"), "utf8")]).toEqual(["tsm0", "on"]);
    writeFileSync(at("power/control"), "");
    expect(await write({ kind: "Disconnect", isWanted: false })).toEqual({ kind: "Written" });
    expect([readFileSync(at("tsm/disconnect"), "utf8"), readFileSync(at("power/control"), "utf8")]).toEqual(["tsm0", "auto"]);
  });

  it("tells a file that is not there from a write that the kernel refuses", async () => {
    expect(await write()).toEqual({ kind: "Refused", at: "open", errno: "ENOENT" });
    mkdirSync(at("tsm"), { recursive: true });
    // Every write to it is refused with this error.
    execFileSync("mknod", [at("tsm/connect"), "c", "1", "7"]);
    expect(await write()).toEqual({ kind: "Refused", at: "write", errno: "ENOSPC" });
  });

  it("says so when there is no helper, or it cannot be started", async () => {
    const links = sysfsLinks(scratch.path, "/nowhere/link-writer");
    const end = await links.write({ kind: "Connect", owner: DEVICE, tsm: "tsm0", isWanted: true }, new AbortController().signal);
    expect(end).toMatchObject({ kind: "Unanswered", why: expect.stringContaining("cannot be started") });
  });

  it("is not waited for any more when the agent stops", async () => {
    mkdirSync(at("tsm"), { recursive: true });
    // Opening it for writing waits for a reader, as a write waits for a device.
    execFileSync("mkfifo", [at("tsm/connect")]);
    const stop = new AbortController();
    const end = write({}, stop.signal);
    stop.abort();
    expect(await end).toEqual({ kind: "Unanswered", why: "the agent is stopping" });
    expect(await write({}, stop.signal)).toEqual({ kind: "Unanswered", why: "the agent is stopping" });
  });
});

describe("the helper process", () => {
  it("has nothing open that its parent has, and ends with it", async () => {
    mkdirSync(at("tsm"), { recursive: true });
    execFileSync("mkfifo", [at("tsm/connect")]);
    writeFileSync(join(scratch.path, "lock"), "");
    const script = `import { spawn } from "node:child_process";
      const child = spawn(${JSON.stringify(HELPER)}, [${JSON.stringify(dirname(at("tsm")))}, "connect", "tsm0", "awake", String(process.pid)],
        { stdio: ["ignore", "pipe", "ignore", 7] });
      process.stdout.write(String(child.pid));`;
    // Descriptor 7 is one that nobody marked to be closed.
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit", "ignore", "ignore", "ignore", "ignore", openSync(join(scratch.path, "lock"), "r+")],
    });
    const pid = await new Promise<string>((resolve) => parent.stdout?.once("data", (text) => resolve(String(text))));
    const files = (): string => execFileSync("ls", ["-l", `/proc/${pid}/fd`], { encoding: "utf8" });
    await until(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "link-writer" && !files().includes("lock"));
    expect(files()).not.toContain("lock");
    parent.kill("SIGKILL");
    await until(() => !isRunning(pid));
    expect(isRunning(pid)).toBe(false);
  });

  it("does nothing for a parent that is gone", () => {
    addAttribute("tsm/connect");
    const args = [dirname(at("tsm")), "connect", "tsm0", "awake", "1"];
    expect(() => execFileSync(HELPER, args, { stdio: "ignore" })).toThrow();
    expect(readFileSync(at("tsm/connect"), "utf8")).toBe("");
  });
});

function isRunning(pid: string): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !isSo(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
}
