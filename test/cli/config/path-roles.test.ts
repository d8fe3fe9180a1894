// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentConfig } from "../../../src/cli/config/agent-config.ts";
import { type PathRole, pathProblems } from "../../../src/cli/config/path-roles.ts";

let base = "";
const at = (name: string): string => join(base, name);
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "path-roles-")));
  writeFileSync(at("node.yaml"), "");
  mkdirSync(at("folder"));
});
afterEach(() => rmSync(base, { recursive: true }));

const manifest = (path = at("node.yaml")): PathRole => ({ name: "--manifest", path, use: "Read" });
const status = (path: string): PathRole => ({ name: "--status", path, use: "Written" });
const folder = (path = at("folder")): PathRole => ({ name: "--cdi-dir", path, use: "Folder" });
const fixes = (...roles: PathRole[]): string[] => pathProblems(roles).map(({ path, fix }) => `${path}: ${fix}`);

describe("two roles of one file", () => {
  const same = `--status: name another place: --manifest is the same (`;

  test("are refused however the file is named", () => {
    symlinkSync("node.yaml", at("link"));
    symlinkSync(".", at("here"));
    linkSync(at("node.yaml"), at("hard"));
    for (const name of ["node.yaml", "folder/../node.yaml", "link", "here/node.yaml", "here/here/link", "hard"]) {
      expect([name, fixes(manifest(), status(at(name)))]).toEqual([name, [expect.stringContaining(same)]]);
    }
  });

  test("are refused when the file does not exist yet, nor its folder", () => {
    symlinkSync("none.yaml", at("link"));
    symlinkSync("folder", at("to"));
    expect(fixes(manifest(at("none.yaml")), status(at("link")))).toEqual([expect.stringContaining(same)]);
    expect(fixes(manifest(at("to/new/none.yaml")), status(at("folder/new/none.yaml")))).toEqual([expect.stringContaining(same)]);
  });

  test("name the one that is written, whichever comes first", () => {
    expect(fixes(status(at("node.yaml")), manifest())).toEqual([expect.stringContaining(same)]);
  });

  test("are fine as two files, and links in a circle end nothing", () => {
    symlinkSync("b", at("a"));
    symlinkSync("a", at("b"));
    expect(fixes(manifest(), status(at("status.json")), folder(), status(at("a")))).toEqual([]);
  });
});

test("a file of ours is not kept in a folder whose files are another program's", () => {
  symlinkSync("folder", at("to"));
  expect(fixes(folder(), status(at("to/new/status.json")))).toEqual([expect.stringContaining("--status: name a place outside of --cdi-dir")]);
  expect(fixes(folder(), status(at("folder2/status.json")), manifest(at("folder/node.yaml")))).toEqual([]);
});

test("what is no file is not replaced by one", () => {
  execFileSync("mkfifo", [at("fifo")]);
  expect(fixes(status("/dev/null"))).toEqual(["--status: name a file: a device is there, and would be replaced"]);
  expect(fixes(status(at("folder")))).toEqual([expect.stringContaining("a folder is there")]);
  expect(fixes(status(at("fifo")))).toEqual([expect.stringContaining("a pipe is there")]);
});

describe("the agent's configuration", () => {
  const refused = (flags: Record<string, string>): string => {
    try {
      agentConfig(flags, { workingFolder: base, configFile: null });
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "CONFIG_INVALID" });
      return (thrown as Error).message;
    }
    return "";
  };

  test("is refused when any two of its files are one, with both flags", () => {
    writeFileSync(at("agent.yaml"), "kubelet: none\n");
    const cases: [Record<string, string>, string, string][] = [
      [{ status: "node.yaml" }, "--status", "--manifest"],
      [{ lock: "node.yaml" }, "--lock", "--manifest"],
      [{ status: "x", lock: "x" }, "--lock", "--status"],
      [{ config: at("agent.yaml"), status: "agent.yaml" }, "--status", "--config"],
      [{ status: "dp/kubelet.sock", podresources: "dp/kubelet.sock" }, "--status", "--podresources"],
      [{ kubeletDir: "dp", status: "dp/status.json" }, "--status", "--kubelet-dir"],
      [{ cdiDir: "cdi", lock: "cdi/agent.lock" }, "--lock", "--cdi-dir"],
      [{ cdiDir: "dp", kubeletDir: "dp" }, "--cdi-dir", "--kubelet-dir"],
      [{ lock: "agent.lock", status: "proofs/agent" }, "--status", "--lock"],
      [{ lock: "proofs" }, "--lock", "the proofs beside --lock"],
      [{ simulator: "sim", status: "sim/tdx/state" }, "--status", "--simulator"],
      [{ simulator: "sim", status: "sim/state.json" }, "--status", "--simulator"],
    ];
    for (const [flags, one, other] of cases) {
      const message = refused({ manifest: "node.yaml", ...("simulator" in flags ? {} : { status: "status.json" }), lock: "agent.lock", ...flags });
      expect([message.includes(one), message.includes(other), message]).toEqual([true, true, expect.any(String)]);
    }
  });

  test("blames no flag that was not given", () => {
    expect(refused({ manifest: "node.yaml", status: "/run/trusted-iommu/agent.lock" })).toMatch(
      /^--status is .*: name another place: --lock is the same/,
    );
    expect(refused({ manifest: "node.yaml", kubeletDir: "/run/trusted-iommu" })).toMatch(/^--kubelet-dir is /);
    expect(refused({ manifest: "node.yaml", kubeletDir: "/run/trusted-iommu" })).not.toMatch(/^ *--(lock|status) is /m);
  });

  test("is fine with its defaults, also on a simulated host", () => {
    expect(refused({ manifest: "node.yaml" })).toBe("");
    expect(refused({ node: "n1" })).toBe("");
    expect(refused({ manifest: "node.yaml", simulator: "sim" })).toBe("");
    expect(refused({ manifest: "sim/manifest.yaml", simulator: "sim", kubeletDir: "sim/kubelet/device-plugins" })).toBe("");
  });
});
