// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Context, noDrops } from "../../src/cli/context.ts";
import { readEnvironment } from "../../src/cli/environment.ts";
import { run } from "../../src/cli/program.ts";
import { unreadable } from "../../src/cli/read-status.ts";
import { EXIT_CODES } from "../../src/runtime/exit-codes.ts";
import { noStopSignals } from "../../src/runtime/signals.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { condition, nodeStatus } from "../support/node-status.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "program-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function program(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const context: Context = {
    environment: readEnvironment({}),
    workingFolder: folder,
    output: { isTTY: false, columns: 0, rows: 0, write: (text) => (written.out += text), on: () => undefined, off: () => undefined },
    errors: { write: (text) => (written.err += text) },
    clock: createFakeClock(),
    drops: noDrops,
    signals: noStopSignals,
    exit: () => undefined,
  };
  return { code: await run(words, context, "1.2.3"), ...written };
}

describe("explain", () => {
  const MANIFEST = `apiVersion: teeio.dev/v1alpha1
kind: TrustedIommu
metadata: {name: n1}
spec: {state: Trusted, units: {all: true}, resources: [{name: teeio.dev/gpu, match: {vendors: ["10de"]}}]}
`;
  const explain = (hostRoot: string) => {
    writeFileSync(join(folder, "node.yaml"), MANIFEST);
    const flags = ["--manifest", "node.yaml", "--host-root", hostRoot, "--kubelet", "none", "--status", "none.json"];
    return program("explain", "17:00.0", ...flags);
  };

  test("says that the host cannot be read, and fails, where it cannot be listed", async () => {
    const { code, out, err } = await explain(join(folder, "nowhere"));
    expect(code).toBe(EXIT_CODES.Unavailable);
    expect(out).toBe("");
    expect(err).toMatch(/HostUnreadable: .*nowhere\/sys\/bus\/pci\/devices/);
    expect(err).not.toMatch(/not on the bus/);
  });

  test("says of a device that is not there that it is not, and answers no", async () => {
    mkdirSync(join(folder, "host/sys/bus/pci/devices"), { recursive: true });
    const { code, out } = await explain(join(folder, "host"));
    expect(code).toBe(EXIT_CODES.No);
    expect(out).toMatch(/0000:17:00\.0 is withheld: DeviceMissing/);
  });
});

describe("the program", () => {
  test("lists its commands, and says what each one is for", async () => {
    const { code, out } = await program("--help");
    expect(code).toBe(0);
    for (const command of ["agent", "status", "explain", "simulate", "demo"]) expect(out).toMatch(new RegExp(`^  ${command} .*\\w`, "m"));
    expect(await program("--version")).toMatchObject({ code: 0, out: "1.2.3\n" });
  });

  test("teaches in the help of every command and sub-command", async () => {
    const { out } = await program("agent", "--help");
    for (const flag of [
      "--manifest",
      "--node",
      "--host-root",
      "--driver",
      "--simulator",
      "--kubelet-dir",
      "--podresources",
      "--kubelet",
      "--status",
    ]) {
      expect(out).toContain(flag);
    }
    for (const flag of ["--settle", "--metrics", "--log-level", "--cdi-dir", "--config", "--kubeconfig"]) expect(out).toContain(flag);
    expect((await program("simulate", "secure-link", "--help")).out).toContain("LinkSecuredBeforeSetup");
    expect((await program("help", "explain")).out).toContain("explain 0000:17:00.0");
  });

  test("refuses unknown commands and flags with the usage code and a way out", async () => {
    expect(await program("statsu")).toMatchObject({ code: 2, err: expect.stringContaining("Did you mean status") });
    expect(await program("agent", "--nod", "n1")).toMatchObject({ code: 2, err: expect.stringContaining("Did you mean --node") });
    expect(await program("simulate", "lose-unit", "0x1000")).toMatchObject({ code: 2, err: expect.stringContaining("--root") });
  });

  test("tells all problems of a configuration, without a stack unless it is asked for", async () => {
    const plain = await program("agent", "--settle", "soon", "--metrics", "x");
    expect(plain).toMatchObject({ code: 2 });
    expect(plain.err).toBe(
      'trusted-iommu: --settle is "soon": write seconds from 0 to 3600\n  --metrics is "x": write HOST:PORT, for example 127.0.0.1:9100\n  (CONFIG_INVALID)\n',
    );
    expect((await program("agent", "--log-level", "debug")).err).toContain("agent-config.ts");
  });
});

describe("status", () => {
  test("shows the tree of a status file, and the same as JSON", async () => {
    const path = join(folder, "status.json");
    writeFileSync(path, JSON.stringify({ metadata: { name: "n7" }, status: nodeStatus() }));
    const { code, out } = await program("status", "--status", "status.json");
    expect(code).toBe(0);
    expect(out).toMatch(/^ SIMULATED .*\nnode n7 {2}driver simulated/);
    expect(out).toContain("\npci0000:16\n└─ 0xfed90000 (dmar0)  Trusted  id 0x1  SetupSucceeded\n   └─ 0000:17:00.0  teeio.dev/gpu  offered\n");
    const { out: json } = await program("status", "--status", path, "--output", "json");
    expect(JSON.parse(json)).toEqual(nodeStatus());
  });

  test("says by its exit code whether the node is as it should be", async () => {
    const notReady = nodeStatus({ conditions: [condition({ status: "False", reason: "UnitFailed" })] });
    writeFileSync(join(folder, "status.json"), JSON.stringify({ status: notReady }));
    expect(await program("status", "--status", "status.json")).toMatchObject({ code: EXIT_CODES.No, err: "" });
    expect(await program("status", "--status", "status.json", "--output", "json")).toMatchObject({ code: EXIT_CODES.No, err: "" });
  });

  test("says which file it looked for when there is none, or what is wrong with it", async () => {
    expect(await program("status", "--simulator", ".")).toMatchObject({ code: 5, err: expect.stringContaining(join(folder, "status.json")) });
    const { code, err } = await program("status", "--status", "none.json");
    expect(code).toBe(EXIT_CODES.Unavailable);
    expect(err.split("none.json")).toHaveLength(2);
    writeFileSync(join(folder, "odd.yaml"), "status: {units: 3}\n");
    expect(await program("status", "--status", "odd.yaml")).toMatchObject({ code: 2, err: expect.stringContaining("no status of a TrustedIommu") });
    expect(await program("status", "--status", "odd.yaml", "--node", "n1")).toMatchObject({ code: 2 });
  });
});

test("a status that may not be read is told from one that is not there", () => {
  const errno = (code: string): Error => Object.assign(new Error(`${code}: why, stat '/run/x'`), { code, syscall: "stat" });
  const place = { path: "/run/x", words: "a standalone agent of this machine" };
  expect(unreadable(place, errno("EACCES"))).toMatchObject({ code: "NOT_PERMITTED", message: expect.stringContaining("root") });
  const absent = unreadable(place, errno("ENOENT"));
  expect(absent).toMatchObject({
    code: "STATUS_ABSENT",
    message: expect.stringMatching(/standalone agent of this machine at \/run\/x.*--node NAME/s),
  });
  // No flag was given, so none is called wrong.
  expect(absent.message).not.toMatch(/--\w+ is /);
});
