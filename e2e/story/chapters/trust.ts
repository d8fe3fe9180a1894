// SPDX-License-Identifier: Apache-2.0
// From an intent to a running pod.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { BUSYBOX_IMAGE } from "../../image/busybox-image.ts";
import { ours, untilAllocatable } from "../allocatable.ts";
import { ACCELERATOR, ALL_OFFERED, condition, deviceIn, deviceOf, GPU, readStatus, setIntent, UNITS, untilStatus } from "../intents.ts";
import { isRunning, untilAgent, untilPod, workload } from "../pods.ts";
import { NODES, ROOT, type Stage } from "../stage.ts";
import { callsOf, idsOf, readModule } from "../tdx-module.ts";

export function tellOfTrust(onStage: () => Stage): void {
  test("an agent without an intent sets up nothing and offers nothing, under the chart's ServiceAccount", async () => {
    const stage = onStage();
    for (const node of NODES) {
      const agent = await untilAgent(stage, node);
      expect(agent.spec.serviceAccountName).toBe("trusted-iommu-agent");
      expect(callsOf(await readModule(stage, node), "setupCalls")).toBe(0n);
      expect(await ours(stage, node)).toEqual({});
    }
  });

  test("n1 turns Trusted: every unit has an id, and its node has devices to give", async () => {
    const stage = onStage();
    for (const node of NODES) await setIntent(stage, node, "Trusted");
    const status = await untilStatus(stage, "n1", { what: "Ready", holds: (seen) => condition(seen, "Ready").status === "True" });
    stage.tell(`n1: ${status.summary}`);
    expect(status.counts).toMatchObject({ unitsSelected: UNITS, unitsTrusted: UNITS, devicesOffered: 9 });
    expect(Object.fromEntries(status.units.map((unit) => [unit.regBase, unit.tdxIommuId]))).toEqual(idsOf(await readModule(stage, "n1")));
    await untilAllocatable(stage, "n1", ALL_OFFERED);
  });

  test("a device that its own driver holds is withheld, and says so", async () => {
    const stage = onStage();
    const status = await untilStatus(stage, "n1", { what: "any report", holds: () => true });
    expect(deviceIn(status, "0000:27:00.0")).toMatchObject({ offered: false, reason: "NoVfioDevice", resource: "teeio.dev/nic" });
    expect(await ours(stage, "n1")).not.toHaveProperty("teeio.dev/nic");
  });

  test("n2, a real host without TDX Connect, offers nothing and says why, without an error", async () => {
    const stage = onStage();
    const isJudged = (reason: string) => reason === "TdxConnectMissing";
    const status = await untilStatus(stage, "n2", { what: "Supported=False", holds: (seen) => isJudged(condition(seen, "Supported").reason) });
    stage.tell(`n2: ${status.summary}`);
    expect(condition(status, "Supported").status).toBe("False");
    expect(condition(status, "Degraded").status).toBe("False");
    expect(status.units.map((unit) => unit.state)).toEqual(status.units.map(() => "Unsupported"));
    expect(await ours(stage, "n2")).toEqual({});
    expect(callsOf(await readModule(stage, "n2"), "setupCalls")).toBe(0n);
  });

  test("kubectl get, kubectl describe and trusted-iommu status read well, and say simulated", async () => {
    const stage = onStage();
    const { stdout: table } = await stage.cluster.kubectl(["get", "tiommu"]);
    const { stdout: described } = await stage.cluster.kubectl(["describe", "tiommu", "n1"]);
    const { stdout: tree } = await stage.program("status", "--node", "n1");
    stage.tell(`kubectl get tiommu\n${table}`);
    stage.tell(`kubectl get tiommu -o wide\n${(await stage.cluster.kubectl(["get", "tiommu", "-o", "wide"])).stdout}`);
    stage.tell(`trusted-iommu status --node n1\n${tree}`);
    expect(table).toMatch(/^n1 +Trusted +21 +21 +9 +\d+ +True +AsIntended +simulated/m);
    expect(table).toMatch(/^n2 +Trusted +20 +0 +0 +\d+ +False +TdxConnectMissing +simulated/m);
    expect(described).toMatch(/Events:[\s\S]*SetupSucceeded[\s\S]*is Trusted \(simulated\)/);
    expect(tree).toContain("simulated");
    expect(await readStatus(stage, "n1")).toMatchObject({ simulated: true, tdxModule: { driver: "simulated" } });
  });

  test("a pod that asks for a device runs on n1 with the device's identity in its environment, and status names the pod", async () => {
    const stage = onStage();
    await stage.cluster.apply(workload("train", { resource: GPU }), workload("infer", { resource: ACCELERATOR }));
    for (const [name, variable] of VARIABLES) {
      const pod = await untilPod(stage, name, { what: "running", holds: isRunning });
      expect(pod.spec.nodeName).toBe("n1");
      const status = await untilStatus(stage, "n1", { what: `${name} named`, holds: (seen) => deviceOf(seen, name) !== null });
      const device = deviceOf(status, name);
      const { stdout } = await stage.cluster.kubectl(["logs", name]);
      stage.tell(`${name} runs on n1 with ${device?.address}: ${stdout.split("\n").filter((line) => line.startsWith(variable))}`);
      expect(stdout.split("\n")).toEqual(expect.arrayContaining([`${variable}=${device?.address}`, "TEEIO_SIMULATED=true"]));
      expect(device).toMatchObject({ offered: true, usedBy: { pod: `default/${name}` } });
    }
  });

  test("examples/pod.yaml runs as it is, but for the image's name: there is no registry here", async () => {
    const stage = onStage();
    const example = parse(readFileSync(join(ROOT, "examples/pod.yaml"), "utf8"));
    const [container] = example.spec.containers;
    await stage.cluster.apply({
      ...example,
      spec: { ...example.spec, containers: [{ ...container, image: BUSYBOX_IMAGE, imagePullPolicy: "Never" }] },
    });
    const { name } = example.metadata;
    await untilPod(stage, name, { what: "running", holds: isRunning });
    const status = await untilStatus(stage, "n1", { what: `${name} named`, holds: (seen) => deviceOf(seen, name) !== null });
    const { stdout } = await stage.cluster.kubectl(["logs", name]);
    stage.tell(`${name}: ${stdout}`);
    expect(stdout).toContain(deviceOf(status, name)?.address);
    await stage.cluster.kubectl(["delete", "pod", name, "--now", "--wait"]);
  });
}

/** How kubelet's answer names each pod's device: upper case, and `_` for what a variable can't have. */
const VARIABLES = [
  ["train", "PCI_RESOURCE_TEEIO_DEV_GPU"],
  ["infer", "PCI_RESOURCE_TEEIO_DEV_ACCELERATOR"],
] as const;
