// SPDX-License-Identifier: Apache-2.0
// A pod by claim on the machine: the kernel secures the link of its device first, and the scheduler binds it then.
import { expect, it } from "vitest";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { streamStatus, sys } from "../kit/device.ts";
import { SIM } from "../kit/simulator.ts";
import { podByClaim, readClaim, untilClaim, untilSliced } from "./claims.ts";
import { untilHelper } from "./long-connects.ts";
import { DEVICES } from "./machine.ts";
import { isReady, OPEN_DEVICES, untilLog, untilPod } from "./pods.ts";
import type { Stage } from "./stage.ts";

/**
 * Twice the scheduler's pause between two looks at a claim: some fall into the connect. After its end the agent must tell the claim, and the scheduler must
 * look again; until then the kernel has the link, and the pod is not bound.
 */
const CONNECT_MS = 10_000;
const DEADLINE_MS = 420_000;
const POD = "claimant";
const SECURE = 2;
const CONNECTED = `cat ${DEVICES.map((address) => sys(address, "tsm/connect")).join(" ")}`;

const streamOf = async ({ vm }: Stage, address: string): Promise<number> => Number.parseInt(await vm.run(streamStatus(address)), 16);
const podOf = ({ cluster }: Stage) => untilPod(cluster, POD, () => true);

/** What the kernel says of each device's TSM, once it names one. It answers nobody while a connect is under way. */
function untilConnected({ vm }: Stage): Promise<readonly string[]> {
  const look = async () => {
    const said = await vm.run(CONNECTED);
    return said.trim() === "" ? notYet<readonly string[]>("none") : met(said.split("\n").slice(0, DEVICES.length));
  };
  return waitUntil("a TSM in tsm/connect", look, { deadlineMs: DEADLINE_MS });
}

export function tellOfAClaimant(onStage: () => Stage): void {
  it("offers the devices by slices, when their resource goes over to DRA", async () => {
    const { cluster, agents, show } = onStage();
    await agents.setIntent("Trusted", { enable: "OnPrepare", ledger: "DRA" });
    await untilSliced(cluster, DEVICES);
    await agents.untilAllocatable("0");
    await show("get", "resourceslices", "-o", "yaml");
  });

  it("secures the link of a claim's device in the kernel before the pod is bound, and releases it when the pod has gone", async () => {
    const stage = onStage();
    const { cluster, vm, agents, node, show, tell } = stage;
    await vm.run(`echo ${CONNECT_MS} > ${SIM}/link_connect_ms`);
    await cluster.apply(...podByClaim(POD, OPEN_DEVICES));
    await untilHelper(stage);
    const waiting = await podOf(stage);
    expect([waiting.status.nominatedNodeName, waiting.spec.nodeName]).toEqual([node.name, undefined]);
    expect(await readClaim(cluster)).toEqual({ secured: null });

    const connected = await untilConnected(stage);
    const seenAt = new Date().toISOString();
    const { address, at } = await untilClaim(cluster, "LinkSecured", (claim) => claim?.secured ?? null);
    expect(connected).toEqual(DEVICES.map((one) => (one === address ? expect.stringMatching(/^tsm\d+$/) : "")));
    expect(await streamOf(stage, address)).toBe(SECURE);
    tell(`the kernel says ${connected.filter((one) => one !== "").join(" ")} of ${address}`);

    const pod = await untilPod(cluster, POD, isReady);
    const boundAt = pod.status.conditions.find(({ type }) => type === "PodScheduled")?.lastTransitionTime ?? "";
    // The condition follows from the link, and the binding from the condition; both times are the API server's.
    tell(`tsm/connect read at ${seenAt}, LinkSecured written at ${at}, ${POD} bound at ${boundAt}`);
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.parse(boundAt));
    await show("get", "resourceclaims", "-o", "yaml");
    const log = await untilLog(cluster, POD, /opened/);
    tell(`the log of ${POD}:\n${log}`);
    expect(log.match(/vfio\d$/gm)).toHaveLength(1);
    const isTheirs = (one: NodeStatus["devices"][number]) => one.address === address && one.usedBy?.pod === `default/${POD}`;
    await agents.untilStatus("the pod's device secured", ({ devices }) => devices.some((one) => isTheirs(one) && one.link.state === "Secure"));

    await cluster.kubectl(["delete", "pod", POD, "--wait=true", "--timeout=120s"]);
    await agents.untilStatus("all links released", ({ devices }) => devices.every((one) => one.link.state === "Insecure"));
    expect(await vm.run(CONNECTED)).toBe("\n\n");
    expect(await streamOf(stage, address)).not.toBe(SECURE);
    await untilClaim(cluster, "none", (claim) => (claim === null ? true : null));
  });

  it("offers them by kubelet's list again, when their resource comes back", async () => {
    const { cluster, vm, agents } = onStage();
    await vm.run(`echo 0 > ${SIM}/link_connect_ms`);
    await agents.setIntent("Trusted", { enable: "OnPrepare" });
    await untilSliced(cluster, []);
    await agents.untilAllocatable(String(DEVICES.length));
  });
}
