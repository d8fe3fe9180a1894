// SPDX-License-Identifier: Apache-2.0
// The second ledger: the GPUs of n1 go over to DRA. A pod has a claim, trust is lost under it, kubelet is restarted, and the device comes back.
import { expect, test } from "vitest";
import { addressOfDraDevice, draDeviceName } from "../../../src/domain/dra/names.ts";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { ours, untilAllocatable } from "../allocatable.ts";
import { claimFiles, claimOf, podOf, readClaim, type SlicedDevice, slicedDevices, untilNoClaimFile, untilSliced } from "../claims.ts";
import { ACCELERATOR, deviceIn, deviceOf, GPU, setIntent, untilStatus } from "../intents.ts";
import { until } from "../looking.ts";
import { endPod, isRunning, untilAgent, untilPod, workload } from "../pods.ts";
import type { Stage } from "../stage.ts";
import { tellOfClaimsUnderKills } from "./claims-kills.ts";
import { agentsKubectl } from "./rights.ts";

const gpusOf = (status: NodeStatus): readonly string[] =>
  status.devices.filter(({ resource, offered }) => resource === GPU && offered).map(({ address }) => draDeviceName(address));
const namesOf = (devices: readonly SlicedDevice[]): readonly string[] => devices.map(({ name }) => name);
const isFree = ({ taints }: SlicedDevice): boolean => taints.length === 0;

/** Of the GPUs, each on a slot and below a host bridge of its own. */
const FIRST_FUNCTIONS = ["0000:38:00.0", "0000:98:00.0", "0001:17:00.0"];

/** A request that only this device meets. */
function wanting(address: string): object {
  const expression = `device.attributes["resource.kubernetes.io"].pciBusID == "${address}"`;
  return { name: "gpu", exactly: { deviceClassName: "teeio.dev", selectors: [{ cel: { expression } }] } };
}

export function tellOfClaims(onStage: () => Stage): void {
  /** The device that the claim `one` is allocated. */
  let given = "";

  test("an agent that is told to serve DRA offers what it offered before, and lists nothing in slices while no resource is DRA's", async () => {
    const stage = onStage();
    const before = await untilAgent(stage, "n1");
    await stage.deploy("--set", `dra.enabled=true,dra.extendedResources[0]=${GPU}`);
    const agent = await untilAgent(stage, "n1", (_container, pod) => pod.metadata.uid !== before.metadata.uid);
    stage.tell(`agent ${agent.metadata.name} serves DRA`);
    // The simulated reboot under the last agent left no proof of when its pod was given the device.
    await endPod(stage, "patient");
    await untilAllocatable(stage, "n1", { [GPU]: "4", [ACCELERATOR]: "5" });
    expect(await slicedDevices(stage, "n1")).toEqual([]);
  });

  test("a resource does not go over to DRA while a device plugin's pod has one of its devices, and the devices say so", async () => {
    const stage = onStage();
    await stage.cluster.apply(workload("stays", { resource: GPU }));
    await untilPod(stage, "stays", { what: "running", holds: isRunning });
    await setIntent(stage, "n1", "Trusted", { gpus: "DRA" });
    const isHeld = (seen: NodeStatus): boolean => seen.devices.some(({ reason }) => reason === "HeldInOtherLedger");
    const status = await untilStatus(stage, "n1", { what: "HeldInOtherLedger", holds: isHeld });
    const reasons = status.devices.filter(({ resource, reason }) => resource === GPU && reason !== "NotTeeCapable").map(({ reason }) => reason);
    expect(reasons.toSorted()).toEqual(["HeldInOtherLedger", "LedgerSwitching", "LedgerSwitching", "LedgerSwitching"]);
    expect(await slicedDevices(stage, "n1")).toEqual([]);
    await endPod(stage, "stays");
  });

  test("a resource goes over to DRA: kubelet's list is empty before a slice lists its devices, and the others stay where they are", async () => {
    const stage = onStage();
    const devices = await untilSliced(stage, "n1", "four GPUs", (seen) => seen.length === 4 && seen.every(isFree));
    expect(await ours(stage, "n1")).toMatchObject({ [GPU]: "0", [ACCELERATOR]: "5" });
    const status = await untilStatus(stage, "n1", { what: "nine offered", holds: (seen) => seen.counts.devicesOffered === 9 });
    expect(namesOf(devices)).toEqual(gpusOf(status));
    expect(deviceIn(status, "0000:38:00.0")).toMatchObject({ offered: true, ledger: "DRA" });
    stage.tell((await stage.cluster.kubectl(["get", "resourceslices", "-o", "yaml"])).stdout);
  });

  test("a pod that asks for the resource by its name gets a device by DRA, although this kubelet knew the name from a device plugin", async () => {
    const stage = onStage();
    await stage.cluster.apply(workload("extended", { resource: GPU }));
    await untilPod(stage, "extended", { what: "running", holds: isRunning });
    const status = await untilStatus(stage, "n1", { what: "extended named", holds: (seen) => deviceOf(seen, "extended") !== null });
    expect(deviceOf(status, "extended")).toMatchObject({ ledger: "DRA", resource: GPU });
    const { stdout } = await stage.cluster.kubectl(["logs", "extended"]);
    expect(stdout).toContain("TEEIO_SIMULATED=true");
    stage.tell((await stage.cluster.kubectl(["get", "resourceclaims", "-o", "wide"])).stdout);
    await endPod(stage, "extended");
  });

  test("a pod with a claim runs, is told that its device is simulated, and its claim has a file on the node", async () => {
    const stage = onStage();
    await stage.cluster.apply(claimOf("one"), podOf("claimant", "one"));
    const pod = await untilPod(stage, "claimant", { what: "running", holds: isRunning });
    expect(pod.spec.nodeName).toBe("n1");
    const claim = await readClaim(stage, "one");
    given = claim?.status?.allocation?.devices.results[0]?.device ?? "";
    expect(namesOf(await slicedDevices(stage, "n1"))).toContain(given);
    expect(await claimFiles(stage, "n1")).toEqual([`trusted-iommu-claim_${claim?.metadata.uid}.json`]);
    const { stdout } = await stage.cluster.kubectl(["logs", "claimant"]);
    expect(stdout).toContain("TEEIO_SIMULATED=true");
    const [metadata = "{}"] = stdout.split("\n").filter((line) => line.includes("metadata.resource.k8s.io/v1beta1"));
    stage.tell(`in the container: ${metadata}`);
    const attributes = { simulated: { bool: true }, "resource.kubernetes.io/pciBusID": { string: addressOfDraDevice(given) } };
    expect(JSON.parse(metadata)).toMatchObject({
      metadata: { name: "one", uid: claim?.metadata.uid },
      requests: [{ name: "gpu", devices: [{ name: given, attributes }] }],
    });
    stage.tell((await stage.cluster.kubectl(["get", "resourceclaims,pods", "-o", "wide"])).stdout);
  });

  test("the agent of n1 may write slices of its own node and driver only, and nothing of a claim but conditions of its own", async () => {
    const stage = onStage();
    const asAgent = await agentsKubectl(stage);
    const slice = (nodeName: string, driver: string): object => ({
      apiVersion: "resource.k8s.io/v1",
      kind: "ResourceSlice",
      metadata: { name: "stolen" },
      spec: { nodeName, driver, pool: { name: `${nodeName}/x`, generation: 1, resourceSliceCount: 1 }, devices: [] },
    });
    const create = ["create", "--dry-run=server", "-f", "-"];
    const refusals = [
      await asAgent(create, slice("n2", "teeio.dev")),
      await asAgent(create, slice("n1", "gpu.example.com")),
      await asAgent(["patch", "resourceclaim", "one", "--subresource=status", "--type=merge", "-p", '{"status":{"reservedFor":null}}']),
      await asAgent(["delete", "resourceclaim", "one"]),
    ];
    for (const { stderr } of refusals) stage.tell(`the agent of n1: ${stderr.trim()}`);
    expect(refusals.map(({ code }) => code === 0)).toEqual([false, false, false, false]);
    expect(refusals[0]?.stderr).toContain("the agent of node n1 may not write a ResourceSlice of another node");
    expect(refusals[1]?.stderr).toContain("an agent writes ResourceSlices of the driver teeio.dev only");
    expect(await asAgent(create, slice("n1", "teeio.dev"))).toMatchObject({ code: 0 });
  });

  test("parameters are refused when the claim is made", async () => {
    const config = [{ opaque: { driver: "teeio.dev", parameters: { apiVersion: "v1", kind: "X" } } }];
    const refused = await onStage()
      .cluster.apply(claimOf("odd", { config }))
      .then(() => "accepted", String);
    expect(refused).toContain("teeio.dev takes no parameters; remove its entry");
  });

  test("kubelet is restarted and deletes the slices of its node: they come back at once, and the pod goes on", async () => {
    const stage = onStage();
    const before = await slicedDevices(stage, "n1");
    await stage.cluster.node("n1").restartKubelet();
    const isNew = (seen: readonly SlicedDevice[]): boolean =>
      seen.length === 4 && seen.every(({ slice }) => before.every((one) => one.slice !== slice));
    await untilSliced(stage, "n1", "made anew", isNew);
    expect(isRunning(await untilPod(stage, "claimant", { what: "running", holds: isRunning }))).toBe(true);
  });

  test("trust is lost under a claim: its device stays listed with a taint, the free ones leave, and its file resolves no more", async () => {
    const stage = onStage();
    await stage.simulate("n1", "fault", "--leaf", "SETUP", "--status", "TDX_INTERRUPTED_RESUMABLE", "--delay", "150", "--times", "forever");
    await stage.simulate("n1", "reboot");
    const devices = await untilSliced(stage, "n1", "only what is allocated", (seen) => seen.length === 1 && !seen.every(isFree));
    expect(devices).toMatchObject([{ name: given, taints: [expect.stringMatching(/^teeio\.dev\/withheld=\w+:NoSchedule$/)] }]);
    const files = await until({
      what: "a void claim file",
      read: () => claimFiles(stage, "n1"),
      holds: (seen) => seen.every((name) => name.endsWith(".void")),
      describe: (seen) => seen.join(" "),
    });
    stage.tell(`claim files: ${files.join(" ")}`);
    await stage.simulate("n1", "clear-faults");
    await untilSliced(stage, "n1", "the three others back", (seen) => seen.filter(isFree).length === 3);
  });

  test("the pod ends: its claim is free, its file is gone and its device is offered again", async () => {
    const stage = onStage();
    await endPod(stage, "claimant");
    await untilSliced(stage, "n1", "all four free", (seen) => seen.length === 4 && seen.every(isFree));
    await untilNoClaimFile(stage, "n1");
    await stage.cluster.kubectl(["delete", "resourceclaim", "one"]);
  });

  test("where links are asked for, a pod is bound when the link of its device is secured, and the claim says so", async () => {
    const stage = onStage();
    await setIntent(stage, "n1", "Trusted", { gpus: "DRA", links: "OnPrepare" });
    // No kernel covers the second physical function.
    await untilSliced(stage, "n1", "three GPUs", (seen) => seen.length === 3 && seen.every(isFree));
    for (const address of FIRST_FUNCTIONS) await stage.simulate("n1", "fault", "--link", address, "--delay", "2000", "--times", "forever");
    await stage.cluster.apply(claimOf("two"), podOf("linked", "two"));
    const waiting = await untilPod(stage, "linked", {
      what: "allocated and not bound",
      holds: ({ status }) => status.nominatedNodeName !== undefined,
    });
    expect(waiting.spec.nodeName).toBeUndefined();
    await untilPod(stage, "linked", { what: "running", holds: isRunning });
    const claim = await readClaim(stage, "two");
    expect(claim?.status?.devices).toMatchObject([{ conditions: [{ type: "teeio.dev/LinkSecured", status: "True" }] }]);
    const address = addressOfDraDevice(claim?.status?.allocation?.devices.results[0]?.device ?? "") ?? "";
    const status = await untilStatus(stage, "n1", { what: "its link", holds: (seen) => deviceIn(seen, address).link.state === "Secure" });
    stage.tell(`linked runs with ${address}, link ${deviceIn(status, address).link.state}`);
    stage.tell((await stage.cluster.kubectl(["get", "resourceclaim", "two", "-o", "yaml"])).stdout);
    await endPod(stage, "linked");
    await stage.cluster.kubectl(["delete", "resourceclaim", "two"]);
    await untilStatus(stage, "n1", { what: "its link released", holds: (seen) => deviceIn(seen, address).link.state === "Insecure" });
    await stage.simulate("n1", "clear-faults");
  });

  tellOfClaimsUnderKills(onStage);

  test("a device that fails authentication is given to no pod: the claim is told, and the next pod gets another device", async () => {
    const stage = onStage();
    const [bad = ""] = FIRST_FUNCTIONS;
    await setIntent(stage, "n1", "Trusted", { gpus: "DRA", links: "OnPrepare" });
    await untilSliced(stage, "n1", "three GPUs", (seen) => seen.length === 3 && seen.every(isFree));
    await stage.simulate("n1", "fault", "--link", bad, "--errno", "EKEYREJECTED", "--times", "forever");
    await stage.cluster.apply(claimOf("three", { requests: [wanting(bad)] }), podOf("refused", "three"));
    const failed = await until({
      what: "the claim told of the failure",
      read: () => readClaim(stage, "three"),
      holds: (claim) => (claim?.status?.devices ?? []).some(({ conditions }) => conditions.some(({ type }) => type === "teeio.dev/LinkFailed")),
      describe: (claim) => JSON.stringify(claim?.status ?? {}),
    });
    expect(failed?.status?.devices?.[0]?.conditions).toMatchObject([{ status: "True", reason: "AuthenticationFailed" }]);
    await stage.cluster.kubectl(["delete", "pod", "refused", "--wait=true"]);
    await stage.cluster.kubectl(["delete", "resourceclaim", "three"]);
    const sliced = await untilSliced(stage, "n1", "two devices without a taint", (seen) => seen.length === 3 && seen.filter(isFree).length === 2);
    expect(sliced.find((one) => !isFree(one))).toMatchObject({
      name: draDeviceName(bad),
      taints: ["teeio.dev/link-failed=AuthenticationFailed:NoSchedule"],
    });
    await stage.cluster.apply(claimOf("four"), podOf("moved", "four"));
    await untilPod(stage, "moved", { what: "running", holds: isRunning });
    const status = await untilStatus(stage, "n1", {
      what: "AuthenticationFailed",
      holds: (seen) => deviceIn(seen, bad).reason === "AuthenticationFailed",
    });
    stage.tell(`${bad}: ${deviceIn(status, bad).message}`);
    await stage.simulate("n1", "clear-faults");
    await endPod(stage, "moved");
    await stage.cluster.kubectl(["delete", "resourceclaim", "four"]);
  });

  test("the resource goes back to the device plugin: the slices are empty before kubelet lists its devices", async () => {
    const stage = onStage();
    await setIntent(stage, "n1", "Trusted");
    await untilSliced(stage, "n1", "none", (seen) => seen.length === 0);
    await untilAllocatable(stage, "n1", { [GPU]: "4", [ACCELERATOR]: "5" });
  });
}
