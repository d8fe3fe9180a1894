// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildFlavour } from "./flavours.ts";

const SOURCE = fileURLToPath(new URL("../../native/addon/test/holder.c", import.meta.url));
const SCRIPT = fileURLToPath(new URL("./scan-ways.ts", import.meta.url));

let folder = "";
let lines: readonly unknown[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "device-scan-"));
  const holder = join(folder, "holder");
  execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-pthread", SOURCE, "-o", holder]);
  const words = ["--pid", "--fork", "--mount-proc", "--", process.execPath, SCRIPT, buildFlavour("release"), holder, folder];
  const { stdout, stderr } = spawnSync("unshare", words, { encoding: "utf8" });
  lines = stdout
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line || "null"));
  if (lines.length < 7) throw new Error(stderr);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("a scan of real processes finds", () => {
  it.each([
    ["a descriptor", "open", "Node"],
    ["a descriptor whose process has lost its first thread", "thread", "Node"],
    ["a descriptor in the table of its own that one thread has", "table", "Node"],
    ["a mapping whose descriptor is closed", "mapped", "Node"],
    ["such a mapping of a process that has lost its first thread", "departed", "Node"],
    ["a file that only an io_uring keeps", "ring", "Registered"],
  ])("%s", (_what, way, kind) => {
    expect(lines).toContainEqual({ way, complete: true, found: [{ isHolder: true, kind, isNode: true }], left: 0 });
  });

  it("a table that many threads share once, ends at its deadline, and is not made for a part of the host's processes", () => {
    expect(lines.at(-1)).toEqual({
      isReadOnce: true,
      late: false,
      why: expect.stringContaining("in time"),
      host: { kind: "Unreadable", why: expect.stringContaining("another PID namespace") },
    });
  });
});
