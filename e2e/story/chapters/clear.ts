// SPDX-License-Identifier: Apache-2.0
// The intent becomes Cleared while a pod holds a device, and Trusted again.
import { expect, test } from "vitest";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { agentLog, untilRegistered } from "../agent-log.ts";
import { untilAllocatable } from "../allocatable.ts";
import { ACCELERATOR, ALL_OFFERED, condition, deviceOf, GPU, setIntent, UNITS, unitIn, untilStatus } from "../intents.ts";
import { stays } from "../looking.ts";
import { containerOf, endPod, isRunning, isUnschedulable, readPod, signalPod, untilAgent, untilPod, workload } from "../pods.ts";
import { SETTLE_SECONDS, type Stage } from "../stage.ts";
import { idsOf, moduleUnit, readModule } from "../tdx-module.ts";

/** The unit above the GPU 0000:38:00.0; three units with devices come before it. */
const SLOW_UNIT = "0xc97fc000";

export function tellOfClear(onStage: () => Stage): void {
  /** The unit above the device that `train` holds. */
  let unit = "";
  let container = "";

  test("Cleared while pods hold devices: everything is withdrawn, nothing new is placed, the pods go on, and ClearBlocked names them", async () => {
    const stage = onStage();
    await endPod(stage, "infer");
    const pod = await untilPod(stage, "train", { what: "running", holds: isRunning });
    container = containerOf(pod).containerID;
    await setIntent(stage, "n1", "Cleared");
    await untilAllocatable(stage, "n1", { [GPU]: "0", [ACCELERATOR]: "0" });
    await stage.cluster.apply(workload("next", { resource: GPU }));
    const waiting = await untilPod(stage, "next", { what: "unschedulable", holds: isUnschedulable });
    stage.tell(`next waits: ${waiting.status.conditions.find((each) => each.type === "PodScheduled")?.message}`);

    const isAlone = (status: NodeStatus) => status.counts.unitsTrusted === 1;
    const status = await untilStatus(stage, "n1", { what: "only the held unit is left", holds: isAlone });
    const device = deviceOf(status, "train");
    unit = device?.regBase ?? "";
    stage.tell(`ClearBlocked: ${condition(status, "ClearBlocked").message}`);
    expect(condition(status, "ClearBlocked")).toMatchObject({ status: "True", reason: "DeviceInUse" });
    expect(condition(status, "ClearBlocked").message).toContain(`${unit}: ${device?.address} in use by pod default/train`);
    expect(Object.keys(idsOf(await readModule(stage, "n1")))).toEqual([unit]);
  });

  test("a kubelet killed with -9 and started again meanwhile: no CLEAR follows from its empty podresources", async () => {
    const stage = onStage();
    const sinceMs = Date.now();
    await stage.cluster.node("n1").restartKubelet();
    stage.tell("kubelet of n1 killed and started");
    await untilRegistered(stage, "n1", { sinceMs, resource: GPU });
    // Longer than everything that a CLEAR waits for, were the device free.
    await stays(
      {
        what: `${unit} keeps its id`,
        read: () => readModule(stage, "n1"),
        holds: (table) => Object.keys(idsOf(table)).join() === unit,
        describe: (table) => JSON.stringify(idsOf(table)),
      },
      2 * SETTLE_SECONDS * 1000,
    );
    const isNamed = (status: NodeStatus) => condition(status, "ClearBlocked").message.includes("in use by pod default/train");
    await untilStatus(stage, "n1", { what: "ClearBlocked names train", holds: isNamed });
    expect(containerOf(await readPod(stage, "train")).containerID).toBe(container);
    expect(isUnschedulable(await readPod(stage, "next"))).toBe(true);
  });

  test("when the last pod ends, its unit is cleared too, not before the settling time is over", async () => {
    const stage = onStage();
    const sinceMs = Date.now();
    await endPod(stage, "train");
    const isDone = (status: NodeStatus) => condition(status, "Ready").status === "True";
    const status = await untilStatus(stage, "n1", { what: "Ready", holds: isDone });
    stage.tell(`n1: ${status.summary}`);
    const calls = agentLog(stage, "n1", sinceMs);
    const clear = calls.filter((line) => line.message === "seamcall requested" && line.fields["regBase"] === unit);
    expect(clear).toHaveLength(1);
    const settledMs = Date.parse(clear[0]?.time ?? "") - sinceMs;
    stage.tell(`CLEAR of ${unit} ${(settledMs / 1000).toFixed(1)} s after the pod was told to end`);
    expect(settledMs).toBeGreaterThanOrEqual(SETTLE_SECONDS * 1000);
    expect(idsOf(await readModule(stage, "n1"))).toEqual({});
    expect(status.units.map((each) => [each.state, each.reason])).toEqual(status.units.map(() => ["Untrusted", "Cleared"]));
  });

  test("Trusted again, and the agent killed with -9 during a SETUP: what was set up is adopted, what was not is finished, no id is lost", async () => {
    const stage = onStage();
    await stage.simulate(
      "n1",
      "fault",
      "--leaf",
      "SETUP",
      "--unit",
      SLOW_UNIT,
      "--status",
      "TDX_INTERRUPTED_RESUMABLE",
      "--delay",
      "150",
      "--times",
      "forever",
    );
    await setIntent(stage, "n1", "Trusted");
    const isSettingUp = (status: NodeStatus) => unitIn(status, SLOW_UNIT).state === "SettingUp";
    await untilStatus(stage, "n1", { what: `${SLOW_UNIT} SettingUp`, holds: isSettingUp });
    const before = await readModule(stage, "n1");
    expect(moduleUnit(before, SLOW_UNIT)).toMatchObject({ phase: "Configuring" });
    await signalPod(stage, await untilAgent(stage, "n1"), "KILL");
    await stage.simulate("n1", "clear-faults");

    await untilAgent(stage, "n1", (seen) => seen.restartCount === 1);
    const status = await untilStatus(stage, "n1", { what: "Ready", holds: (seen) => condition(seen, "Ready").status === "True" });
    const after = await readModule(stage, "n1");
    const done = before.units.filter((each) => each.phase === "Configured");
    stage.tell(`${done.length} units adopted, ${UNITS - done.length} set up after the crash`);
    expect(done.length).toBeGreaterThan(0);
    for (const each of done) expect(moduleUnit(after, each.regBase)).toEqual(each);
    expect(Object.fromEntries(status.units.map((each) => [each.regBase, each.tdxIommuId]))).toEqual(idsOf(after));
    expect(new Set(Object.values(idsOf(after))).size).toBe(UNITS);
  });

  test("the pod that waited is placed now", async () => {
    const stage = onStage();
    await untilAllocatable(stage, "n1", ALL_OFFERED);
    const pod = await untilPod(stage, "next", { what: "running", holds: isRunning });
    stage.tell(`next runs on ${pod.spec.nodeName}`);
    expect(pod.spec.nodeName).toBe("n1");
  });
}
