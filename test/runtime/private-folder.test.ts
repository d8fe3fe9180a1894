// SPDX-License-Identifier: Apache-2.0
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makePrivateFolder, makeSafeFolder } from "../../src/runtime/private-folder.ts";

const OTHER_USER = 12_345;
const isRoot = process.geteuid?.() === 0;

let folder = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "private-folder-")));
});
afterEach(() => rmSync(folder, { recursive: true }));

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

test("every folder that is missing is made with mode 0700", async () => {
  const path = join(folder, "a", "b");
  expect(await makePrivateFolder(path)).toBe(path);
  expect([modeOf(join(folder, "a")), modeOf(path)]).toEqual(["700", "700"]);
});

test("a folder of ours that others can read is closed, and one that is shared on purpose stays as it is", async () => {
  const [own, shared] = [join(folder, "own"), join(folder, "shared")];
  for (const path of [own, shared]) mkdirSync(path, { mode: 0o755 });
  await makePrivateFolder(own);
  await makeSafeFolder(shared);
  expect([modeOf(own), modeOf(shared)]).toEqual(["700", "755"]);
});

test.each([0o777, 0o1777, 0o702])("a folder with mode %o that others can write to is refused, and stays as it is", async (mode) => {
  const path = join(folder, "open");
  mkdirSync(path);
  chmodSync(path, mode);
  await expect(makePrivateFolder(path)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(`write to ${path}`) });
  expect(modeOf(path)).toBe(mode.toString(8));
});

test("a parent that others can write to is refused, unless it is sticky", async () => {
  const parent = join(folder, "parent");
  mkdirSync(parent);
  chmodSync(parent, 0o777);
  await expect(makePrivateFolder(join(parent, "own"))).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(parent) });
  chmodSync(parent, 0o1777);
  expect(await makePrivateFolder(join(parent, "own"))).toBe(join(parent, "own"));
});

test.runIf(isRoot)("a folder, a parent or a link of another user is refused", async () => {
  const [theirs, link] = [join(folder, "theirs"), join(folder, "link")];
  mkdirSync(theirs, { mode: 0o700 });
  chownSync(theirs, OTHER_USER, OTHER_USER);
  for (const path of [theirs, join(theirs, "own")]) {
    await expect(makePrivateFolder(path)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(`user ${OTHER_USER}`) });
  }
  mkdirSync(join(folder, "place"), { mode: 0o700 });
  symlinkSync(join(folder, "place"), link);
  lchownSync(link, OTHER_USER, OTHER_USER);
  await expect(makePrivateFolder(link)).rejects.toMatchObject({ message: expect.stringContaining(`a link of user ${OTHER_USER}`) });
});

test("a link is followed to a folder that is judged in its own place", async () => {
  const open = join(folder, "open");
  mkdirSync(open);
  symlinkSync("open/../inner", join(folder, "link"));
  expect(await makePrivateFolder(join(folder, "link"))).toBe(join(folder, "inner"));
  symlinkSync("loop", join(folder, "loop"));
  await expect(makePrivateFolder(join(folder, "loop"))).rejects.toMatchObject({ message: expect.stringContaining("too many links") });
});

test("a place where no folder can be made is refused at once, with the errno of the folder at fault", async () => {
  await expect(makePrivateFolder("/proc/x/y")).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(/at \/proc\/x: ENOENT/),
  });
  const file = join(folder, "file");
  writeFileSync(file, "");
  await expect(makePrivateFolder(join(file, "y"))).rejects.toMatchObject({ message: expect.stringContaining(`${file} is not a folder`) });
});
