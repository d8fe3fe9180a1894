// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { startKubeletStandIn } from "../../src/stand-in/kubelet/stand-in.ts";
import { CLEAR_ALL, type Journey, type RunningAgent, startJourney, TRUST_ALL } from "./journey.ts";

const NO_KUBELET = ["--kubelet", "none", "--settle", "0.1", "--log-level", "debug"] as const;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  journey.manifest(TRUST_ALL);
});
afterEach(() => journey.end());

const isOffered = (status: NodeStatus): boolean => status.counts.devicesOffered === 2;
const isCleared = (status: NodeStatus): boolean => status.units[0]?.reason === "Cleared";

/** Everything an agent is there for, each with words about it: it sets up, offers, clears, offers again, and withdraws when it is told to end. */
async function expectWork(agent: RunningAgent): Promise<void> {
  await journey.until("offered", isOffered);
  journey.manifest(CLEAR_ALL);
  await journey.until("cleared", isCleared);
  journey.manifest(TRUST_ALL);
  await journey.until("offered again", isOffered);
  expect(await agent.kill("SIGTERM")).toBe(0);
  expect(journey.status()).toMatchObject({ counts: { devicesOffered: 0 } });
  expect(journey.status()?.devices.map((device) => device.reason)).toContain("AgentStopped");
}

/** A pipe with a name, made full, that the agent itself keeps open for reading and nothing reads. */
function fullPipe(): string {
  execFileSync("mkfifo", [join(journey.folder, "pipe")]);
  return `exec 3<>${join(journey.folder, "pipe")}; head -c 65536 /dev/zero >&3`;
}

describe("an agent works and ends in order", () => {
  it("when the reader of its output goes away after the first line (agent | head -1)", async () => {
    execFileSync("mkfifo", [join(journey.folder, "pipe")]);
    await expectWork(
      journey.agentIn(`head -1 ${join(journey.folder, "pipe")} >/dev/null & exec "$@" >${join(journey.folder, "pipe")}`, ...NO_KUBELET),
    );
  });

  it("when the reader of its log goes away", async () => {
    execFileSync("mkfifo", [join(journey.folder, "pipe")]);
    await expectWork(
      journey.agentIn(`head -1 ${join(journey.folder, "pipe")} >/dev/null & exec "$@" 2>${join(journey.folder, "pipe")}`, ...NO_KUBELET),
    );
  });

  it("when there is no room for what it writes", async () => {
    await expectWork(journey.agentIn(`exec "$@" >/dev/full 2>/dev/full`, ...NO_KUBELET));
  });

  it("when both outputs are closed", async () => {
    await expectWork(journey.agentIn(`exec "$@" >&- 2>&-`, ...NO_KUBELET));
  });

  it("when nothing reads its log, and the pipe is full", async () => {
    await expectWork(journey.agentIn(`${fullPipe()}; exec "$@" 2>&3`, ...NO_KUBELET));
  });

  it("when nothing reads its output, and the pipe is full", async () => {
    await expectWork(journey.agentIn(`${fullPipe()}; exec "$@" >&3`, ...NO_KUBELET));
  });

  it("when a file may not grow any more (ulimit -f)", async () => {
    await expectWork(
      journey.agentIn(`ulimit -f 64; head -c 32768 /dev/zero >${journey.folder}/log; exec "$@" 2>>${journey.folder}/log`, ...NO_KUBELET),
    );
  });
});

describe("kubelet", () => {
  it("is answered, and hears of the withdrawal, while nothing reads the log", async () => {
    const [dir, podResourcesSocket] = [join(journey.folder, "dp"), join(journey.folder, "pr", "kubelet.sock")];
    const kubelet = await startKubeletStandIn({ dir, podResourcesSocket, clock: systemClock });
    try {
      const words = ["--kubelet-dir", dir, "--podresources", podResourcesSocket, "--log-level", "debug"];
      const agent = journey.agentIn(`${fullPipe()}; exec "$@" 2>&3 >&3`, ...words);
      const offers = (count: number) => vi.waitFor(() => expect(kubelet.allocatable("teeio.dev/device")).toHaveLength(count), { timeout: 40_000 });
      await offers(2);
      expect(await kubelet.admitPod({ namespace: "n", name: "p", requests: { "teeio.dev/device": 1 } })).toMatchObject({ phase: "Running" });
      expect(await agent.kill("SIGTERM")).toBe(0);
      await offers(0);
    } finally {
      await kubelet.stop();
    }
  });
});

describe("an agent that cannot start", () => {
  it("ends with its exit code although nothing reads why", async () => {
    const agent = journey.agentIn(`${fullPipe()}; exec "$@" 2>&3 >&3`, "--settle", "soon");
    expect(await agent.ended()).toBe(2);
  });
});
