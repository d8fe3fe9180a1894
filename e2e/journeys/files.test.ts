// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { type Journey, type RunningAgent, startJourney, TRUST_ALL } from "./journey.ts";

const NO_KUBELET = ["--kubelet", "none", "--settle", "0.1"] as const;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  journey.manifest(TRUST_ALL);
});
afterEach(() => journey.end());

const isOffered = (status: NodeStatus): boolean => status.counts.devicesOffered === 2;
const at = (name: string): string => join(journey.folder, name);
const fifo = (name: string): string => {
  execFileSync("mkfifo", [at(name)]);
  return at(name);
};

/** Resolves when the agent has its handlers: until then Node ends it by itself, whatever it waits for. */
async function untilHeld({ process: child }: RunningAgent): Promise<void> {
  for (;;) {
    const caught = /^SigCgt:\s*(\S+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? "0";
    if ((BigInt(`0x${caught}`) & (1n << 29n)) !== 0n) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("a start that waits for a file", () => {
  it("of the manifest, which is a pipe that nothing is written to, ends when it is told to", async () => {
    const agent = journey.agent(...NO_KUBELET, "--manifest", fifo("manifest"), "--metrics", "127.0.0.1:0", "--log-level", "info");
    while (!agent.stderr().includes("metrics served")) await new Promise((resolve) => setImmediate(resolve));
    expect(await agent.kill("SIGTERM")).toBe(0);
  });

  it("of the settings ends, and says which one it is", async () => {
    const agent = journey.agent(...NO_KUBELET, "--config", fifo("config"));
    await untilHeld(agent);
    expect(await agent.ended()).toBe(2);
    expect(agent.stderr()).toContain(at("config"));
  });

  it.each([
    ["--lock", "/proc/none/lock"],
    ["--lock", "/proc/none/below/lock"],
  ])("that cannot be made (%s %s) ends with the reason", async (flag, path) => {
    const agent = journey.agent(...NO_KUBELET, flag, path);
    expect(await agent.ended()).not.toBe(0);
    expect(agent.stderr()).toMatch(/ENOENT/);
  });

  it("of a status that cannot be written goes on, says why, and ends when it is told to", async () => {
    const agent = journey.agent(...NO_KUBELET, "--status", "/proc/none/status.json");
    while (!/STATUS_UNWRITABLE: .*\/proc\/none.*ENOENT/.test(agent.stderr())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await agent.kill("SIGTERM")).not.toBe(null);
  });
});

describe("a manifest that comes through a pipe", () => {
  const pipes: [string, (manifest: string) => string][] = [
    ["without a name", (manifest) => `exec "$@" --manifest /dev/fd/3 3<<'END'\n${manifest}END\n`],
    ["on standard input", () => `cat "${at("node.yaml")}" >"${fifo("pipe")}" & exec "$@" --manifest /dev/stdin <"${at("pipe")}"`],
  ];
  it.each(pipes)("%s is read once and stays in force", async (_name, script) => {
    const agent = journey.agentIn(script(readFileSync(at("node.yaml"), "utf8")), ...NO_KUBELET);
    await journey.until("offered", isOffered);
    expect(await agent.kill("SIGTERM")).toBe(0);
    expect(agent.stderr()).not.toContain("manifest refused");
  });
});

describe("two roles of one file", () => {
  it("are refused, and the user's file stays as it is", async () => {
    const manifest = readFileSync(at("node.yaml"), "utf8");
    const agent = journey.agent(...NO_KUBELET, "--status", at("node.yaml"));
    expect(await agent.ended()).toBe(2);
    expect(agent.stderr()).toMatch(/--status.*--manifest/);
    expect(readFileSync(at("node.yaml"), "utf8")).toBe(manifest);
  });

  it("are refused before a device is replaced by a file", async () => {
    const agent = journey.agent(...NO_KUBELET, "--status", "/dev/null");
    expect(await agent.ended()).toBe(2);
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });
});

describe("files and folders of ours", () => {
  it.each(["0000", "0022", "0077"])("have the same modes under umask %s", async (umask) => {
    const words = [...NO_KUBELET, "--status", at("new/status.json"), "--lock", at("other/agent.lock")];
    journey.agentIn(`umask ${umask}; exec "$@"`, ...words);
    while (!existsSync(at("new/status.json"))) await new Promise((resolve) => setTimeout(resolve, 20));
    const modes = Object.fromEntries(["new", "new/status.json", "other", "other/agent.lock"].map((name) => [name, statSync(at(name)).mode & 0o777]));
    expect(modes).toEqual({ new: 0o700, "new/status.json": 0o644, other: 0o700, "other/agent.lock": 0o600 });
  });

  it("of a simulated host are for this user only under umask 0", async () => {
    const agent = journey.agentIn(`umask 0; exec "\${1}" simulate create --root "${at("host")}" --host hosts/one-unit.yaml`);
    await agent.ended();
    expect(statSync(at("host")).mode & 0o777).toBe(0o700);
    const files = readdirSync(at("host")).filter((name) => statSync(at(`host/${name}`)).isFile());
    expect(files.filter((name) => (statSync(at(`host/${name}`)).mode & 0o077) !== 0)).toEqual([]);
  });
});
