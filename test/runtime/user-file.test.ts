// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/runtime/clock.ts";
import { readUserFile, readUserFileNow } from "../../src/runtime/user-file.ts";
import { createFakeClock } from "../support/fake-clock.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "user-file-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fifo(): string {
  const path = join(folder, "fifo");
  execFileSync("mkfifo", [path]);
  return path;
}

describe.each([
  ["readUserFile", (path: string) => readUserFile(path, { clock: systemClock })],
  ["readUserFileNow", async (path: string) => readUserFileNow(path)],
] as const)("%s", (_name, read) => {
  test("reads a file, however long, and one of /proc, which says that it has no bytes", async () => {
    const text = "äöü\n".repeat(100_000);
    writeFileSync(join(folder, "file"), text);
    expect(await read(join(folder, "file"))).toEqual({ text, isPipe: false });
    expect(await read("/proc/self/comm")).toEqual({ text: expect.stringMatching(/\w\n$/), isPipe: false });
  });

  test("reads a pipe to its end", async () => {
    const path = fifo();
    const writer = spawn("/bin/sh", ["-c", `echo one >"$0"`, path]);
    expect(await read(path)).toEqual({ text: "one\n", isPipe: true });
    writer.kill();
  });

  test("refuses what is no file without opening it, and says what it is", async () => {
    const refusal = (path: string) => expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(path) });
    for (const path of [folder, "/dev/null", "/dev/zero"]) await expect((async () => read(path))()).rejects.toEqual(refusal(path));
  });

  test("does not read what never ends", async () => {
    await expect((async () => read("/proc/kcore"))()).rejects.toMatchObject({ code: expect.stringMatching(/CONFIG_INVALID|EPERM|EACCES|ENOENT/) });
  });

  test("says what the system says", async () => {
    await expect((async () => read(join(folder, "none")))()).rejects.toMatchObject({ code: "ENOENT" });
    await expect((async () => read("/proc/self/comm/x"))()).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});

describe("a pipe through which nothing comes", () => {
  test("is given up at a signal, and holds no thread that the end of the process would wait for", async () => {
    const path = fifo();
    const stop = new AbortController();
    const reading = readUserFile(path, { clock: createFakeClock(), signal: stop.signal });
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: "DEADLINE" });
  });

  test("is given up after ten seconds, with a writer that is silent, too", async () => {
    const path = fifo();
    const keeper = openSync(path, constants.O_RDWR);
    try {
      for (const text of ["", "half a document"]) {
        writeSync(keeper, text);
        const clock = createFakeClock();
        const reading = expect(readUserFile(path, { clock })).rejects.toMatchObject({ code: "DEADLINE" });
        await clock.advance(10_000);
        await reading;
      }
    } finally {
      closeSync(keeper);
    }
  });

  test("is given up after two seconds by a read that holds everything up", () => {
    expect(() => readUserFileNow(fifo())).toThrow(expect.objectContaining({ code: "DEADLINE" }));
  });
});
