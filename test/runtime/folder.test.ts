// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFolder, makeFolderNow } from "../../src/runtime/folder.ts";

let base = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "folder-"));
});
afterEach(() => rmSync(base, { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

describe.each([
  ["makeFolder", makeFolder],
  ["makeFolderNow", async (path: string, mode: number) => makeFolderNow(path, mode)],
] as const)("%s", (_name, make) => {
  test.each([0, 0o022, 0o077, 0o777])("makes what is missing with its mode under umask %o, and leaves what is there", async (umask) => {
    const before = process.umask(umask);
    try {
      await make(join(base, "a", "b"), 0o700);
      await make(join(base, "a", "b", "c"), 0o755);
    } finally {
      process.umask(before);
    }
    expect(["a", "a/b", "a/b/c"].map((path) => modeOf(join(base, path)))).toEqual([0o700, 0o700, 0o755]);
  });

  test("is content with a folder that is there, also behind a link", async () => {
    symlinkSync(base, join(base, "link"));
    await make(join(base, "link", "a"), 0o700);
    expect(statSync(join(base, "a")).isDirectory()).toBe(true);
  });

  test("says the true errno, and ends, where nothing can be made", async () => {
    writeFileSync(join(base, "file"), "");
    await expect(make("/proc/none/below", 0o700)).rejects.toMatchObject({ code: "ENOENT", path: "/proc/none" });
    await expect(make("/sys/none", 0o700)).rejects.toMatchObject({ code: expect.stringMatching(/EPERM|EACCES|EROFS|ENOENT/) });
    await expect(make(join(base, "file"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(make(join(base, "file", "below"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  test("leads nowhere through a link to nothing", async () => {
    symlinkSync(join(base, "nothing"), join(base, "link"));
    await expect(make(join(base, "link"), 0o700)).rejects.toMatchObject({ code: expect.stringMatching(/EEXIST|ENOENT|ENOTDIR/) });
  });
});
