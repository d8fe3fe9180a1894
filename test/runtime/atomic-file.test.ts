// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeFileAtomic } from "../../src/runtime/atomic-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "atomic-file-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("the new content replaces the old with the mode asked for, and nothing else stays in the folder", async () => {
  const path = join(folder, "status.json");
  writeFileSync(path, "old and longer");
  await writeFileAtomic(path, "new", 0o600);
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["status.json"]);
});

test.each([0, 0o077, 0o777])("the mode is the one asked for under umask %o, and for this user only where none is", async (umask) => {
  const [open, closed] = [join(folder, "open"), join(folder, "closed")];
  for (const path of [open, closed]) writeFileSync(path, "old", { mode: 0o666 });
  const before = process.umask(umask);
  try {
    await writeFileAtomic(open, "new", 0o644);
    await writeFileAtomic(closed, "new");
  } finally {
    process.umask(before);
  }
  expect([open, closed].map((path) => statSync(path).mode & 0o777)).toEqual([0o644, 0o600]);
});

test("a reader never sees a part, whoever writes at once", async () => {
  const path = join(folder, "status.json");
  const contents = ["a".repeat(100_000), "b".repeat(50_000), "c"];
  await writeFileAtomic(path, contents[0]!);
  const writes = Promise.all(Array.from({ length: 30 }, (_, n) => writeFileAtomic(path, contents[n % 3]!)));
  let isOver = false;
  const reads = (async () => {
    while (!isOver) {
      expect(contents).toContain(readFileSync(path, "utf8"));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await writes;
  isOver = true;
  await reads;
  expect(readdirSync(folder)).toEqual(["status.json"]);
});

test("a failure names the system call and leaves no temporary file", async () => {
  await expect(writeFileAtomic(join(folder, "no", "status.json"), "x")).rejects.toMatchObject({ code: "ENOENT" });
  const asFolder = join(folder, "taken");
  await writeFileAtomic(join(folder, "file"), "x");
  const { mkdirSync } = await import("node:fs");
  mkdirSync(asFolder);
  await expect(writeFileAtomic(asFolder, "x")).rejects.toMatchObject({ syscall: "rename" });
  expect(readdirSync(folder).toSorted()).toEqual(["file", "taken"]);
});

test("a failure that comes again has the same text, which does not name the temporary file", async () => {
  const { mkdirSync } = await import("node:fs");
  for (const path of [join(folder, "no", "status.json"), join(folder, "taken")]) {
    if (path.endsWith("taken")) mkdirSync(path);
    const texts = [1, 2].map(() => writeFileAtomic(path, "x").catch((thrown: unknown) => (thrown instanceof Error ? thrown.message : "")));
    const [first, second] = await Promise.all(texts);
    expect(first).toContain(path);
    expect(first).toBe(second);
  }
});
