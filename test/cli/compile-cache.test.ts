// SPDX-License-Identifier: Apache-2.0
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheCandidates, compileCacheFolder } from "../../src/cli/compile-cache.ts";

let base = "";
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "compile-cache-")));
});
afterEach(() => rmSync(base, { recursive: true }));

const isRoot = process.geteuid?.() === 0;
const make = (path: string, mode: number): string => {
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
};

describe("the folder for compiled code", () => {
  test("is made with mode 0700, whatever the umask, with a parent or two", () => {
    const before = process.umask(0);
    try {
      const folder = join(base, "cache", "trusted-iommu", "compiled");
      expect(compileCacheFolder([folder])).toBe(folder);
      expect([folder, join(base, "cache"), join(base, "cache", "trusted-iommu")].map((path) => statSync(path).mode & 0o777)).toEqual([
        0o700, 0o700, 0o700,
      ]);
      expect(compileCacheFolder([folder])).toBe(folder);
    } finally {
      process.umask(before);
    }
  });

  test("is not taken when others can read or write it: what is in it may be theirs", () => {
    for (const mode of [0o777, 0o770, 0o1777, 0o755]) expect([mode, compileCacheFolder([make(join(base, `m${mode}`), mode)])]).toEqual([mode, null]);
  });

  test("is not taken below a parent that others can write to, at any height", () => {
    make(join(base, "open"), 0o777);
    expect(compileCacheFolder([join(base, "open", ".compiled")])).toBe(null);
    make(join(base, "open", "closed"), 0o700);
    make(join(base, "open", "closed", ".compiled"), 0o700);
    expect(compileCacheFolder([join(base, "open", "closed", ".compiled")])).toBe(null);
  });

  test("may be below a sticky folder of root, as /tmp is", ({ skip }) => {
    skip(!isRoot, "makes a folder of root");
    const shared = make(join(base, "shared"), 0o1777);
    expect(compileCacheFolder([join(shared, ".compiled")])).toBe(join(shared, ".compiled"));
  });

  test("is not taken from another user, nor below a folder of one", ({ skip }) => {
    skip(!isRoot, "gives folders away");
    const theirs = make(join(base, "theirs"), 0o700);
    chownSync(theirs, 12_345, 12_345);
    expect(compileCacheFolder([theirs])).toBe(null);
    expect(compileCacheFolder([join(theirs, ".compiled")])).toBe(null);
    const sticky = make(join(base, "sticky"), 0o1777);
    chownSync(sticky, 12_345, 12_345);
    expect(compileCacheFolder([join(sticky, ".compiled")])).toBe(null);
  });

  test("is not a link, and links above it are resolved before they are judged", () => {
    const real = make(join(base, "real"), 0o700);
    symlinkSync(real, join(base, "link"));
    expect(compileCacheFolder([join(base, "link")])).toBe(null);
    expect(compileCacheFolder([join(base, "link", ".compiled")])).toBe(join(real, ".compiled"));
    make(join(base, "open"), 0o777);
    symlinkSync(join(base, "open"), join(base, "innocent"));
    expect(compileCacheFolder([join(base, "innocent", ".compiled")])).toBe(null);
  });

  test("is the next candidate when the first will not do, and none when a file is in the way or the home is not there", () => {
    const good = join(base, "good");
    expect(compileCacheFolder([make(join(base, "bad"), 0o777), good])).toBe(good);
    writeFileSync(join(base, "file"), "");
    expect(compileCacheFolder([join(base, "file", ".compiled"), join(base, "no", "home", ".cache", "trusted-iommu", "compiled")])).toBe(null);
    expect(compileCacheFolder([])).toBe(null);
  });
});

test("candidates are absolute: beside the bundle, then the user's cache", () => {
  const mine = (home: string | null, cacheHome: string | null): readonly string[] => cacheCandidates("/app/dist", { home, cacheHome });
  expect(mine("/home/me", null)).toEqual(["/app/dist/.compiled", "/home/me/.cache/trusted-iommu/compiled"]);
  expect(mine("/home/me", "/var/cache")).toEqual(["/app/dist/.compiled", "/var/cache/trusted-iommu/compiled"]);
  expect(mine(null, "cache")).toEqual(["/app/dist/.compiled"]);
});
