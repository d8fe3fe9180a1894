// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
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

interface StartOptions {
  readonly cwd?: string;
  readonly path?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

function start(program: string, words: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...(options.path === undefined ? {} : { PATH: options.path }), ...options.variables };
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
    expect(code).toBe(5);
    expect(err).toContain(`no "such' file`);
  });

  test("ends quietly when nobody reads its output any more", async () => {
    const { code, err } = await start("/bin/sh", ["-c", `"$0" --help | true`, PROGRAM]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });
});

/** The code that a test plants where a program must not look. */
const PLANTED = `console.error("planted code ran"); process.exit(9);`;

describe("the environment", () => {
  /** Each would change what the pinned Node does, most of them by running code. */
  const dangerous = (folder: string): Record<string, string> => ({
    NODE_OPTIONS: `--require ${folder}/planted.cjs`,
    NODE_REPL_EXTERNAL_MODULE: `${folder}/planted.cjs`,
    NODE_PATH: folder,
    NODE_V8_COVERAGE: `${folder}/coverage`,
    NODE_DEBUG: "fs,module",
    NODE_EXTRA_CA_CERTS: `${folder}/none.pem`,
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    NODE_COMPILE_CACHE: `${folder}/cache`,
    NODE_SOMETHING_OF_TOMORROW: "1",
    NODE_WITH_LINES: "a\nexport NODE_X='b'\nc",
    OPENSSL_CONF: `${folder}/openssl.cnf`,
    SSL_CERT_FILE: `${folder}/none.pem`,
    SSLKEYLOGFILE: `${folder}/keys`,
    UV_THREADPOOL_SIZE: "1",
  });

  test("has nothing in it that the pinned Node would obey", async () => {
    writeFileSync(join(folder, "planted.cjs"), PLANTED);
    expect(await start(PROGRAM, ["--version"], { variables: dangerous(folder) })).toEqual({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      err: "",
    });
    expect(readdirSync(folder)).toEqual(["planted.cjs"]);
  });

  test("keeps everything else, with values as odd as they are, for the program and what it starts", async () => {
    const odd = "a 'b' \"c\"\nexport NODE_OPTIONS='x'\n$(touch planted) \\";
    const program = copyWith(`process.stdout.write(JSON.stringify(process.env))`);
    const { out } = await start(program, [], { variables: { ...dangerous(folder), KUBECONFIG: odd, HTTPS_PROXY: "http://p", AWS_PROFILE: "a" } });
    const seen = JSON.parse(out) as Record<string, string>;
    expect(seen).toMatchObject({ KUBECONFIG: odd, HTTPS_PROXY: "http://p", AWS_PROFILE: "a" });
    expect(Object.keys(seen).filter((name) => name in dangerous(folder))).toEqual([]);
  });
});

describe("signals that were ignored at the start", () => {
  const SHELLS = ["/bin/sh", "/usr/bin/bash", "/usr/bin/dash", "/usr/bin/busybox sh"].filter((shell) => existsSync(shell.split(" ")[0] ?? ""));

  /** bash ignores SIGQUIT itself. */
  test.each(SHELLS)("are handed on, and no others, when %s runs the launcher", async (shell) => {
    const program = copyWith(`process.stdout.write(process.env.TRUSTED_IOMMU_IGNORED_SIGNALS)`);
    const ignored = async (trap: string): Promise<bigint> =>
      BigInt(`0x${(await start("/bin/sh", ["-c", `${trap}; exec ${shell} "$0"`, program])).out}`) & 7n;
    expect([await ignored("true"), await ignored("trap '' HUP"), await ignored("trap '' HUP INT QUIT")]).toEqual([0n, 1n, 7n]);
  });
});

/** The program as it is, with a Node that runs `script` in the place of the bundle. */
function copyWith(script: string): string {
  const place = join(folder, "copy");
  mkdirSync(place);
  cpSync(PROGRAM, join(place, "trusted-iommu"));
  symlinkSync(process.execPath, join(place, "node"));
  writeFileSync(join(place, "cli.js"), script);
  return join(place, "trusted-iommu");
}

describe("compiled code", () => {
  const BUNDLE = join(ROOT, "dist");
  const isRoot = process.getuid?.() === 0;

  /** The program in a folder where the user it runs as can keep nothing, as it is installed for all users. */
  function installed(): string {
    const place = join(folder, "opt");
    mkdirSync(join(place, "dist"), { recursive: true });
    cpSync(BUNDLE, join(place, "dist"), { recursive: true, filter: (path) => !basename(path).startsWith(".") });
    cpSync(PROGRAM, join(place, "bin", "trusted-iommu"));
    symlinkSync(process.execPath, join(place, "bin", "node"));
    return place;
  }

  test("is kept beside the bundle in a folder of mode 0700, whatever the umask", async () => {
    const place = installed();
    const ended = await start("/bin/sh", ["-c", `umask 0; exec "$0" --version`, join(place, "bin", "trusted-iommu")]);
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(statSync(join(place, "dist", ".compiled")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(place, "dist", ".compiled"))).toHaveLength(1);
  });

  test("is taken from no folder that another user can write to, and none is left there", async ({ skip }) => {
    skip(!isRoot, "gives a folder away");
    const place = installed();
    // Another user's folder, in which it can put what it likes.
    const shared = join(folder, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    chmodSync(join(place, "dist"), 0o777);
    const before = readdirSync(join(place, "dist"));
    const ended = await start(join(place, "bin", "trusted-iommu"), ["--version"], {
      variables: { HOME: shared, XDG_CACHE_HOME: shared, TMPDIR: shared },
    });
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(readdirSync(shared)).toEqual([]);
    expect(readdirSync(join(place, "dist"))).toEqual(before);
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
