// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isBuiltIn } from "../../../src/seamcall/tdx-host/built-in.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "trusted-iommu-built-in-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};

test("a driver that no module has brought is built in", () => {
  write("proc/modules", "kvm_intel 413696 0 - Live 0x0000000000000000\ntdx_host_other 1 0 - Live 0x0\n");
  expect(isBuiltIn(root)).toBe(true);
});

test.each([
  ["a module is loaded", { "proc/modules": "kvm 1 0 - Live 0x0\ntdx_host 45056 0 - Live 0x0\n" }],
  ["a module poses as it", { "proc/modules": "tdx_connect_sim 45056 0 - Live 0x0\n" }],
  ["a module has its files, whatever the list says", { "proc/modules": "kvm 1 0 - Live 0x0\n", "sys/module/tdx_host/initstate": "live\n" }],
  ["the list of modules can't be read", {}],
] as readonly (readonly [string, Record<string, string>])[])("it is not when %s", (_what, files) => {
  for (const [path, text] of Object.entries(files)) write(path, text);
  expect(isBuiltIn(root)).toBe(false);
});
