// SPDX-License-Identifier: Apache-2.0
// While a pod holds a device: the agent is killed, kubelet is killed, the agent is taken off the node. Nothing is set up, cleared or lost.
import { expect, test } from "vitest";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { agentLog, untilRegistered } from "../agent-log.ts";
import { untilAllocatable } from "../allocatable.ts";
import { ACCELERATOR, ALL_OFFERED, condition, deviceOf, GPU, UNITS, untilStatus } from "../intents.ts";
import { until } from "../looking.ts";
import { agentsOn, containerOf, isRunning, readPod, signalPod, untilAgent, untilPod } from "../pods.ts";
import type { Stage } from "../stage.ts";
import { readModule } from "../tdx-module.ts";

export function tellOfCrashes(onStage: () => Stage): void {
  test("an agent killed with -9 comes back and adopts every unit; the pod that holds a device is untouched", async () => {
    const stage = onStage();
    const before = await settledState(stage);
    const sinceMs = Date.now();
    await signalPod(stage, await untilAgent(stage, "n1"), "KILL");
    await untilAgent(stage, "n1", (container) => container.restartCount === 1);
    for (const resource of [GPU, ACCELERATOR]) await untilRegistered(stage, "n1", { sinceMs, resource });
    await untilAllocatable(stage, "n1", ALL_OFFERED);
    expect(await settledState(stage)).toEqual(before);
  });

  test("a container that restarts after that passes PreStart and finds the same device", async () => {
    const stage = onStage();
    const pod = await untilPod(stage, "train", { what: "running", holds: isRunning });
    await signalPod(stage, pod, "KILL");
    await untilPod(stage, "train", { what: "restarted", holds: (seen) => isRunning(seen) && containerOf(seen).restartCount === 1 });
    const device = deviceOf(await untilStatus(stage, "n1", { what: "train named", holds: (seen) => deviceOf(seen, "train") !== null }), "train");
    const look = async () => (await stage.cluster.kubectl(["logs", "train"])).stdout;
    const isWhole = (log: string) => log.includes("TEEIO_SIMULATED");
    const log = await until({ what: "log of train", read: look, holds: isWhole, describe: (seen) => seen });
    expect(log.split("\n")).toContain(`PCI_RESOURCE_TEEIO_DEV_GPU=${device?.address}`);
  });

  test("a kubelet killed with -9 and started again: allocatable is back, pods keep their devices, no gate closes and no unit is cleared", async () => {
    const stage = onStage();
    const before = await settledState(stage);
    const sinceMs = Date.now();
    await stage.cluster.node("n1").restartKubelet();
    stage.tell("kubelet of n1 killed and started");
    for (const resource of [GPU, ACCELERATOR]) await untilRegistered(stage, "n1", { sinceMs, resource });
    await untilAllocatable(stage, "n1", ALL_OFFERED);
    expect(await settledState(stage)).toEqual(before);
    expect(agentLog(stage, "n1", sinceMs)).not.toContainEqual(expect.objectContaining({ message: "gate closed" }));
  });

  test("an agent that helm takes off the node (SIGTERM) withdraws every device, clears no unit, and says that it has stopped", async () => {
    const stage = onStage();
    const before = await settledState(stage);
    await stage.deploy("--set", "agent.nodeSelector.story=nowhere");
    await until({
      what: "no agent on n1",
      read: () => agentsOn(stage, "n1"),
      holds: (pods) => pods.length === 0,
      describe: (pods) => `${pods.length} pods`,
    });
    const isStopped = (status: NodeStatus) => condition(status, "Ready").reason === "AgentStopped";
    const status = await untilStatus(stage, "n1", { what: "AgentStopped", holds: isStopped });
    await untilAllocatable(stage, "n1", { [GPU]: "0", [ACCELERATOR]: "0" });
    stage.tell(`n1: ${status.summary}`);
    expect(status.counts).toMatchObject({ unitsTrusted: UNITS, devicesOffered: 0 });
    expect((await settledState(stage)).module).toEqual(before.module);

    await stage.deploy();
    await untilAgent(stage, "n1");
    await untilAllocatable(stage, "n1", ALL_OFFERED);
    expect(await settledState(stage)).toEqual(before);
  });
}

/** What none of these crashes may change: the module's table, the units' ids as reported, the pods' containers, and who holds what. */
async function settledState(stage: Stage) {
  const holds = (status: NodeStatus) => deviceOf(status, "train") !== null && deviceOf(status, "infer") !== null;
  const status = await untilStatus(stage, "n1", { what: "both pods named", holds });
  const pods = await Promise.all(["train", "infer"].map((name) => readPod(stage, name)));
  return {
    module: (await readModule(stage, "n1")).units,
    units: status.units.map(({ regBase, state, tdxIommuId, setupSeq }) => ({ regBase, state, tdxIommuId, setupSeq })),
    held: ["train", "infer"].map((name) => deviceOf(status, name)?.address),
    containers: pods.map((pod) => containerOf(pod).containerID),
  };
}
