// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createJournal } from "../../src/runtime/journal.ts";
import { makePrivateFolder } from "../../src/runtime/private-folder.ts";

let root = "";
let path = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ti-journal-"));
  path = join(root, "proofs", "agent");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const journal = () => createJournal({ path, prepareFolder: async (folder) => void (await makePrivateFolder(folder)) });

test("what was written is read by the next process, in order", async () => {
  const first = journal();
  expect(await first.read()).toBeNull();
  await first.replace(["a", "b"]);
  await first.append(["c"]);
  await first.append([]);
  await first.append(["d", "e"]);
  first.close();
  expect(await journal().read()).toEqual(["a", "b", "c", "d", "e"]);
});

test("a line that a killed process did not finish is ignored", async () => {
  await journal().replace(["a"]);
  appendFileSync(path, "half a li");
  expect(await journal().read()).toEqual(["a"]);
});

test("file and folder are this user's alone, whatever the umask is", async () => {
  const before = process.umask(0);
  try {
    await journal().replace(["a"]);
  } finally {
    process.umask(before);
  }
  expect([statSync(path).mode & 0o777, statSync(join(root, "proofs")).mode & 0o777]).toEqual([0o600, 0o700]);
});

test("a file that others can write to, or that leads elsewhere, is not believed", async () => {
  await journal().replace(["a"]);
  chmodSync(path, 0o622);
  await expect(journal().read()).rejects.toMatchObject({ code: "PROOF_UNREADABLE", message: expect.stringContaining("mode 622") });
  rmSync(path);
  writeFileSync(join(root, "elsewhere"), "a\n", { mode: 0o600 });
  symlinkSync(join(root, "elsewhere"), path);
  await expect(journal().read()).rejects.toMatchObject({ code: "PROOF_UNREADABLE" });
});

test("a folder that others can write to is refused for reading and for writing", async () => {
  mkdirSync(join(root, "proofs"));
  chmodSync(join(root, "proofs"), 0o777);
  await expect(journal().read()).rejects.toMatchObject({ code: "PROOF_UNREADABLE" });
  await expect(journal().replace(["a"])).rejects.toMatchObject({ code: "PROOF_UNWRITABLE" });
});

test("nothing is appended before the file is this process's own", async () => {
  await journal().replace(["a"]);
  await expect(journal().append(["b"])).rejects.toMatchObject({ code: "PROOF_UNWRITABLE" });
  expect(readFileSync(path, "utf8")).toBe("a\n");
});

test("what cannot be put in place leaves the old file as it was", async () => {
  const first = journal();
  await first.replace(["a"]);
  // No file can take the place of a folder.
  mkdirSync(join(root, "proofs", ".agent.new"));
  await expect(first.replace(["b"])).rejects.toMatchObject({ code: "PROOF_UNWRITABLE", message: expect.stringContaining(path) });
  expect(await journal().read()).toEqual(["a"]);
});

test("what is appended to a file that was removed is a failure: the next process would not find it", async () => {
  const one = journal();
  await one.replace(["a"]);
  rmSync(path);
  await expect(one.append(["b"])).rejects.toMatchObject({ code: "PROOF_UNWRITABLE", message: expect.stringContaining("removed") });
  await one.replace(["a", "b"]);
  await one.append(["c"]);
  expect(await journal().read()).toEqual(["a", "b", "c"]);
});

test("a full device is a failure, not half a line that counts", async () => {
  const full = createJournal({ path: "/dev/full", prepareFolder: async () => undefined });
  await expect(full.read()).rejects.toMatchObject({ code: "PROOF_UNREADABLE" });
});
