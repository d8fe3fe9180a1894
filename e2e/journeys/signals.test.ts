// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { type Journey, type RunningAgent, startJourney, TRUST_ALL } from "./journey.ts";

const NO_KUBELET = ["--output", "json", "--kubelet", "none"] as const;
/** Number of SIGPWR on Linux. Node by itself catches SIGTERM and SIGINT, to no avail as process 1, but not this one. */
const SIGPWR = 30n;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  journey.manifest(TRUST_ALL);
});
afterEach(() => journey.end());

const isOffered = (status: NodeStatus): boolean => status.counts.devicesOffered === 2;
const stoppedBy = (agent: RunningAgent): unknown => {
  const lines = agent
    .stderr()
    .split("\n")
    .filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).find((line) => line["message"] === "stopped")?.["signal"];
};

function expectWithdrawn(): void {
  const status = journey.status();
  expect(status?.counts.devicesOffered).toBe(0);
  expect(status?.units[0]?.state).toBe("Trusted");
  expect(status?.devices.map((device) => device.reason)).toContain("AgentStopped");
}

describe("a signal", () => {
  it.each(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2", "SIGALRM", "SIGXCPU", "SIGPWR"] as const)(
    "%s withdraws and ends well",
    async (signal) => {
      const agent = journey.agent(...NO_KUBELET);
      await journey.until("offered", isOffered);
      expect(await agent.kill(signal)).toBe(0);
      expect(stoppedBy(agent)).toBe(signal);
      expectWithdrawn();
    },
  );

  it("that comes twice, as from a terminal that closes, is heard once", async () => {
    const agent = journey.agent(...NO_KUBELET);
    await journey.until("offered", isOffered);
    agent.process.kill("SIGHUP");
    expect(await agent.kill("SIGHUP")).toBe(0);
    expectWithdrawn();
  });

  it("that was ignored at the start stays ignored (nohup)", async () => {
    const agent = journey.agentIn(`trap '' HUP; exec "$@"`, ...NO_KUBELET);
    await journey.until("offered", isOffered);
    agent.process.kill("SIGHUP");
    expect(await agent.kill("SIGTERM")).toBe(0);
    expect(stoppedBy(agent)).toBe("SIGTERM");
    expectWithdrawn();
  });

  it("SIGUSR1 opens no debugger and ends nothing", async () => {
    const agent = journey.agent(...NO_KUBELET);
    await journey.until("offered", isOffered);
    agent.process.kill("SIGUSR1");
    expect(await agent.kill("SIGTERM")).toBe(0);
    expect(agent.stderr()).not.toMatch(/debugger/i);
    expectWithdrawn();
  });
});

describe("process 1 of a container", () => {
  it("hears SIGTERM as soon as its handlers are there, long before it has started", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "unshare needs root");
    const agent = journey.agentIn(`exec unshare --pid --fork --kill-child "$@"`, ...NO_KUBELET);
    const pid = await inside(agent);
    process.kill(pid, "SIGTERM");
    expect(await agent.ended()).toBe(0);
  });
});

/** The process id, as seen from here, of the agent that an `unshare` started, once it catches stop signals. */
async function inside(agent: RunningAgent): Promise<number> {
  for (;;) {
    for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
      const status = readIfThere(`/proc/${name}/status`);
      const catches = BigInt(`0x${/^SigCgt:\s*(\S+)/m.exec(status)?.[1] ?? "0"}`);
      if (status.includes(`\nPPid:\t${agent.process.pid}\n`) && ((catches >> (SIGPWR - 1n)) & 1n) === 1n) return Number(name);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
