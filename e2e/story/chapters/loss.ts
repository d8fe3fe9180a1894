// SPDX-License-Identifier: Apache-2.0
// Trust is lost: the simulated host reboots under the running cluster, and its units are set up anew only after the story lets them.
import { expect, test } from "vitest";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { ours, untilAllocatable } from "../allocatable.ts";
import { ACCELERATOR, ALL_OFFERED, condition, deviceIn, deviceOf, GPU, untilStatus } from "../intents.ts";
import { until } from "../looking.ts";
import { containerOf, endPod, isRunning, isUnschedulable, type Pod, readPod, signalPod, untilAgent, untilPod, workload } from "../pods.ts";
import type { Stage } from "../stage.ts";
import { brokenPages, callsOf, idsOf, readModule } from "../tdx-module.ts";

export function tellOfLoss(onStage: () => Stage): void {
  /** The device that the pod `next` holds across the loss. */
  let held = "";

  test("an Allocate that arrives between the loss of a unit and its withdrawal fails, and the pod says why", async () => {
    const stage = onStage();
    const status = await untilStatus(stage, "n1", { what: "next named", holds: (seen) => deviceOf(seen, "next") !== null });
    held = deviceOf(status, "next")?.address ?? "";
    const agent = await untilAgent(stage, "n1");
    // Until the faults are cleared, no SETUP comes to an end.
    await stage.simulate("n1", "fault", "--leaf", "SETUP", "--status", "TDX_INTERRUPTED_RESUMABLE", "--delay", "150", "--times", "forever");
    // The agent sleeps through the loss, so that kubelet still believes in its list and asks it for a device.
    await signalPod(stage, agent, "STOP");
    await stage.simulate("n1", "reboot");
    await stage.cluster.apply(workload("between", { resource: GPU, node: "n1" }));
    const unread = await until({
      what: "a call of kubelet that waits for the agent",
      read: () => unreadCalls(stage),
      holds: (bytes) => bytes.length > 0,
      describe: () => "nothing unread",
    });
    stage.tell(`kubelet has called: ${unread.join(", ")} bytes wait for the agent`);
    await signalPod(stage, agent, "CONT");
    const failed = await untilPod(stage, "between", { what: "failed", holds: (pod) => pod.status.phase === "Failed" });
    stage.tell(`between: ${failed.status.reason}: ${failed.status.message}`);
    expect(failed.status.reason).toBe("UnexpectedAdmissionError");
    expect(failed.status.message).toMatch(/is withheld, UnitNotTrusted: unit 0x[0-9a-f]+ is (Untrusted|SettingUp)/);
  });

  test("everything is withdrawn as long as no unit is trusted: a waiting pod stays Pending, and one forced onto the node fails", async () => {
    const stage = onStage();
    await untilAllocatable(stage, "n1", { [GPU]: "0", [ACCELERATOR]: "0" });
    await stage.cluster.apply(workload("patient", { resource: GPU }), workload("forced", { resource: GPU, node: "n1" }));
    const forced = await untilPod(stage, "forced", { what: "failed", holds: (pod) => pod.status.phase === "Failed" });
    stage.tell(`forced: ${forced.status.reason}: ${forced.status.message}`);
    expect(forced.status.reason).toBe("UnexpectedAdmissionError");
    await untilPod(stage, "patient", { what: "unschedulable", holds: isUnschedulable });
    const status = await untilStatus(stage, "n1", { what: "nothing offered", holds: (seen) => seen.counts.devicesOffered === 0 });
    stage.tell(`n1: ${status.summary}`);
    expect(condition(status, "Ready").status).toBe("False");
    expect(idsOf(await readModule(stage, "n1"))).toEqual({});
    expect(await ours(stage, "n1")).toMatchObject({ [GPU]: "0", [ACCELERATOR]: "0" });
    expect(isRunning(await readPod(stage, "next"))).toBe(true);
  });

  test("units are set up anew, and the device held across the loss stays withheld while the others are offered again", async () => {
    const stage = onStage();
    await stage.simulate("n1", "clear-faults");
    const isBack = (seen: NodeStatus) => condition(seen, "UnitsTrusted").status === "True" && seen.counts.devicesOffered === 8;
    const status = await untilStatus(stage, "n1", { what: "8 devices offered", holds: isBack });
    stage.tell(`n1: ${status.summary}; ${held} is ${deviceIn(status, held).reason}`);
    // The node is not as intended until a person ends the pod, and says so.
    const message = expect.stringContaining(`HeldAcrossTrustLoss: ${held} (end the pod`);
    expect(condition(status, "Degraded")).toMatchObject({ status: "True", reason: "DevicesWithheld", message });
    expect(condition(status, "Ready")).toMatchObject({ status: "False", reason: "DevicesWithheld" });
    expect(deviceIn(status, held)).toMatchObject({ offered: false, reason: "HeldAcrossTrustLoss", usedBy: { pod: "default/next" } });
    await untilAllocatable(stage, "n1", { [GPU]: "3", [ACCELERATOR]: "5" });
    await untilPod(stage, "patient", { what: "running", holds: isRunning });
    const next = await untilStatus(stage, "n1", { what: "patient named", holds: (seen) => deviceOf(seen, "patient") !== null });
    stage.tell(`patient runs with ${deviceOf(next, "patient")?.address}`);
    expect(deviceOf(next, "patient")?.address).not.toBe(held);
  });

  test("the pod that held it cannot start its container again: PreStart refuses", async () => {
    const stage = onStage();
    const pod = await untilPod(stage, "next", { what: "running", holds: isRunning });
    await signalPod(stage, pod, "KILL");
    const isRefused = (seen: Pod) => seen.status.containerStatuses[0]?.state.waiting?.message?.includes("HeldAcrossTrustLoss") === true;
    const refused = await untilPod(stage, "next", { what: "refused", holds: isRefused });
    const waiting = refused.status.containerStatuses[0]?.state.waiting;
    stage.tell(`next: ${waiting?.reason}: ${waiting?.message}`);
    expect(containerOf(refused).containerID).toBe(containerOf(pod).containerID);
  });

  test("once that pod is gone, its device is offered again, as trusted as the others", async () => {
    const stage = onStage();
    await endPod(stage, "next");
    await untilAllocatable(stage, "n1", ALL_OFFERED);
    const isReady = (seen: NodeStatus) => deviceIn(seen, held).offered && condition(seen, "Ready").status === "True";
    const status = await untilStatus(stage, "n1", { what: "offered, and Ready", holds: isReady });
    expect(deviceIn(status, held)).toMatchObject({ reason: "Offered", usedBy: null });
  });

  test("in the whole story no page was touched that the TDX module owned, and no SEAMCALL was made on the host without TDX Connect", async () => {
    const stage = onStage();
    const other = await readModule(stage, "n2");
    expect(await brokenPages(stage)).toEqual([]);
    expect([callsOf(other, "setupCalls"), callsOf(other, "clearCalls")]).toEqual([0n, 0n]);
    expect((await untilAgent(stage, "n2")).status.containerStatuses[0]?.restartCount).toBe(0);
  });
}

/** More than the frames with which gRPC keeps a connection; a call is at least its headers and the names of devices. */
const CALL_BYTES = 64;

/** Connections of kubelet to the plugins on n1 on which a call lies that the agent has not read. */
async function unreadCalls(stage: Stage): Promise<number[]> {
  const { stdout } = await stage.cluster.node("n1").exec(["ss", "-x", "-n", "-H"]);
  const waiting = stdout.matchAll(/ESTAB +(\d+) .*\/device-plugins\/(?!kubelet\.sock)/g);
  return [...waiting].map(([, bytes]) => Number(bytes)).filter((bytes) => bytes >= CALL_BYTES);
}
