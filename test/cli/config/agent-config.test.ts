// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentConfig } from "../../../src/cli/config/agent-config.ts";
import { readEnvironment } from "../../../src/cli/environment.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, "agent.yaml");
  writeFileSync(path, content);
  return path;
}

function config(flags: Record<string, string>, configFile: string | null = null) {
  return agentConfig(flags, { workingFolder: "/there", configFile });
}

function refusal(flags: Record<string, string>): string[] {
  try {
    config(flags);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "CONFIG_INVALID" });
    return (thrown as Error).message.split("\n");
  }
  throw new Error("was accepted");
}

describe("defaults", () => {
  test("have the status beside the lock, wherever that is", () => {
    expect(config({ manifest: "node.yaml", lock: "/x/agent.lock" }).source).toMatchObject({ status: "/x/status.json" });
    expect(config({ manifest: "node.yaml", lock: "/x/agent.lock", status: "/y/s.json" }).source).toMatchObject({ status: "/y/s.json" });
    expect(config({ manifest: "node.yaml", lock: "/x/agent.lock", simulator: "sim" }).source).toMatchObject({ status: "/x/status.json" });
  });

  test("are those of a real node without a cluster", () => {
    expect(config({ manifest: "node.yaml" })).toEqual({
      source: { kind: "Manifest", manifest: "/there/node.yaml", status: "/run/trusted-iommu/status.json" },
      hostRoot: "/",
      driver: { kind: "Real", driver: "auto" },
      kubelet: { deviceDir: "/var/lib/kubelet/device-plugins", podResources: "/var/lib/kubelet/pod-resources/kubelet.sock", dra: null },
      settleMs: 10_000,
      metrics: null,
      logLevel: null,
      output: "text",
      cdiDir: "/var/run/cdi",
      lock: "/run/trusted-iommu/agent.lock",
      audit: "/var/lib/trusted-iommu/audit",
      ownsLockFolder: true,
    });
  });

  test("of a simulated host stay in its folder", () => {
    expect(config({ node: "n1", simulator: "sim" })).toMatchObject({
      source: { kind: "Cluster", node: "n1", kubeconfig: null },
      hostRoot: "/there/sim/host",
      driver: { kind: "Simulated", stateDir: "/there/sim/tdx" },
      cdiDir: "/there/sim/cdi",
      lock: "/there/sim/agent.lock",
      ownsLockFolder: false,
    });
  });
});

describe("the config file", () => {
  test("gives what no flag gives, with file names relative to itself", () => {
    const path = file("manifest: node.yaml\nsettle: 3\nkubelet: none\ncdiDir: none\nlogLevel: warn\n");
    expect(config({ config: path, settle: "0.5" })).toMatchObject({
      source: { manifest: join(folder, "node.yaml"), status: "/run/trusted-iommu/status.json" },
      settleMs: 500,
      kubelet: null,
      cdiDir: null,
      logLevel: "warn",
    });
    expect(config({}, path)).toMatchObject({ settleMs: 3000 });
  });

  test("may be empty, and must be a map in YAML", () => {
    expect(config({ node: "n1", config: file("# nothing\n") })).toMatchObject({ settleMs: 10_000 });
    expect(refusal({ node: "n1", config: file("- a\n") })[0]).toMatch(/agent\.yaml is \["a"\]: write a map of settings/);
    expect(refusal({ node: "n1", config: file("a: [\n") })[0]).toMatch(/agent\.yaml: line 2, column 1 is .*: (?:add what is missing here|indent it)/);
    expect(refusal({ node: "n1", config: join(folder, "none.yaml") })[0]).toMatch(/^--config is .*none\.yaml": name a readable file/);
  });
});

describe("a config file in YAML that means something else", () => {
  test("is refused by place, with what to write", () => {
    const path = file("settle: 3\nmetrics: *:9100\n");
    expect(refusal({ node: "n1", config: path })).toEqual([
      `${path}: line 2, column 10 is "metrics: *:9100": put it in quotes: * and & at the beginning have a meaning in YAML ("*:9100")`,
    ]);
    expect(refusal({ node: "n1", config: file("settle: 3\n---\nsettle: 4\n") })[0]).toMatch(/line 2, column 1 is "---": write one document/);
    expect(refusal({ node: "n1", config: file('lock: "a\\0b"\n') })[0]).toMatch(/lock is "a\\u0000b": name a file/);
  });

  test("is taken with a trailing document marker and a byte order mark", () => {
    expect(config({ node: "n1", config: file("\ufeff---\nsettle: 3\n---\n") })).toMatchObject({ settleMs: 3000 });
  });
});

describe("problems", () => {
  test("are all told at once, each with its place, the value and what to write instead", () => {
    const path = file("settle: soon\nsettel: 3\nkubelet: yes\n");
    expect(refusal({ config: path, driver: "simulated", node: "N 1", metrics: "localhost" })).toEqual([
      '--node is "N 1": write the node\'s name as kubectl get nodes shows it, for example n1.example.com',
      '--driver is "simulated": write auto, tdx_iommu or tdx_host; a simulated host is named with --simulator DIR',
      '--metrics is "localhost": write HOST:PORT, for example 127.0.0.1:9100',
      `${path}: settel is 3: write settle`,
      `${path}: settle is "soon": write seconds from 0 to 3600`,
      `${path}: kubelet is "yes": write present or none`,
    ]);
  });

  test("lie in what contradicts itself, too", () => {
    expect(refusal({})).toEqual(["this needs to be told where the TrustedIommu is: give --manifest FILE (standalone) or --node NAME (in a cluster)"]);
    expect(refusal({ manifest: "a", node: "n1", status: "s", simulator: "d", driver: "tdx_iommu", kubelet: "none", kubeletDir: "k" })).toEqual([
      '--manifest is "/there/a": give either --manifest FILE or --node NAME, not both',
      '--simulator is "/there/d": remove --driver tdx_iommu: a simulated host has its own driver',
      '--status is "/there/s": remove it: with --node the status goes to the TrustedIommu in the cluster',
      '--kubelet-dir is "/there/k": remove it, or --kubelet none',
    ]);
    expect(refusal({ manifest: "a", settle: "-1", kubeconfig: "k" })).toEqual(["--settle is -1: write seconds from 0 to 3600"]);
    expect(refusal({ manifest: "a", settle: "" })).toEqual(['--settle is "": write seconds from 0 to 3600']);
  });
});

test("the environment is read in one place, and empty means not set", () => {
  expect(
    readEnvironment({ NO_COLOR: "1", TERM: "dumb", KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "10.0.0.1", TRUSTED_IOMMU_CONFIG: "/etc/t.yaml" }),
  ).toEqual({
    noColour: true,
    forceColour: false,
    term: "dumb",
    kubeconfig: null,
    service: null,
    configFile: "/etc/t.yaml",
    home: null,
    cacheHome: null,
    ignoredSignals: null,
  });
});
