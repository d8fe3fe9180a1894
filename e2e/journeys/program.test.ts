// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(ROOT, "bin", "trusted-iommu");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trusted-iommu-bin-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(program: string, words: readonly string[], options: { cwd?: string; path?: string } = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...(options.path === undefined ? {} : { PATH: options.path }) };
    const child = spawn(program, words, { cwd: options.cwd ?? folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const text = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (text.out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (text.err += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...text }));
  });
}

describe("bin/trusted-iommu", () => {
  test("starts from any folder, through links of links, absolute and relative", async () => {
    symlinkSync(PROGRAM, join(folder, "absolute"));
    mkdirSync(join(folder, "with space"));
    symlinkSync("../absolute", join(folder, "with space", "relative"));
    const expected = { code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: "" };
    expect(await start(PROGRAM, ["--version"], { cwd: "/" })).toEqual(expected);
    expect(await start(join(folder, "with space", "relative"), ["--version"])).toEqual(expected);
    expect(await start("./absolute", ["--version"])).toEqual(expected);
  });

  test("takes its own Node, whatever node the machine has", async () => {
    writeFileSync(join(folder, "node"), "#!/bin/sh\necho wrong node >&2\nexit 9\n");
    chmodSync(join(folder, "node"), 0o755);
    expect(await start(PROGRAM, ["--version"], { path: `${folder}:/usr/bin:/bin` })).toMatchObject({ code: 0, err: "" });
  });

  test("says what to run when set-up has not been done", async () => {
    mkdirSync(join(folder, "clone", "bin"), { recursive: true });
    cpSync(PROGRAM, join(folder, "clone", "bin", "trusted-iommu"));
    const clone = join(folder, "clone");
    const without = await start(join(clone, "bin", "trusted-iommu"), ["--version"]);
    expect(without).toMatchObject({ code: 5, out: "" });
    expect(without.err).toContain(`npm run --prefix '${clone}' setup`);
  });

  test("passes words on as they are, also with blanks and quotes", async () => {
    const { code, err } = await start(PROGRAM, ["status", "--status", `no "such' file`]);
    expect(code).toBe(2);
    expect(err).toContain(`no "such' file`);
  });

  test("ends quietly when nobody reads its output any more", async () => {
    const { code, err } = await start("/bin/sh", ["-c", `"$0" --help | true`, PROGRAM]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });
});

describe("demo --once", () => {
  test("ends with 1 and the reason when a unit that should be trusted is not", async () => {
    const host = join(folder, "host.yaml");
    writeFileSync(
      host,
      `summary: a host whose TDX module does not answer
module: { environment: NotReady }
unitDefaults: { version: "6:0", cap: "19ed008c40780c66", ecap: "7ee9e86f050df" }
units: [{ name: dmar0, regBase: "0xfed90000", numaNode: 0 }]
functions:
  - { address: "0000:00:00.0", unit: null, vendor: "8086", device: "29c0", class: "060000" }
`,
    );
    const ended = await start(PROGRAM, ["demo", "--once", "--host", host]);
    expect(ended).toMatchObject({ code: 1, out: expect.stringMatching(/FAILED 0xfed90000: EnvironmentNotReady/) });
  });
});
