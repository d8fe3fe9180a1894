// SPDX-License-Identifier: Apache-2.0
// A virtual machine as a node of the real cluster, beside the nodes that are namespaces, and the agent on it as on a user's machine: kernel 7.2,
// a VT-d unit, SETUP by ioctl, devices for pods. The TDX module's half is simulated in its kernel. Told in order, on one cluster.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from "vitest";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { type Cluster, startCluster } from "../../cluster/cluster.ts";
import { openRung } from "../../cluster/rung.ts";
import { agentImage } from "../../image/agent-image.ts";
import { bundleProgram } from "../agent/contents.ts";
import { sys } from "../kit/device.ts";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { HOLD_SETUP, LET_SETUP_GO_ON, LOSE_UNITS, TABLE } from "../kit/simulator.ts";
import { LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { type Agents, agentsOn, RESOURCE, ROOT } from "./agents.ts";
import { tellOfAClaimant } from "./claimant.ts";
import { tellOfAConsumer } from "./consumer.ts";
import { tellOfLongConnects } from "./long-connects.ts";
import { DEVICES, machineContents, PREPARE_WITH_SETUP_HELD } from "./machine.ts";
import { deploymentOf, isReady, OPEN_DEVICES, podOf, untilLog, untilPod } from "./pods.ts";
import type { Stage } from "./stage.ts";
import { startVmNode, type VmNode } from "./vm-node.ts";
import { POD_NAMES } from "./vmm.ts";
import { writeVmmImage } from "./vmm-image.ts";

const rung = await openKernelRung();
const clusterRung = await openRung();

const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-node-"));
const NODE = "vm1";
/** Why each of the devices is offered or not, in their order. */
const reasons = (status: NodeStatus) => DEVICES.map((address) => status.devices.find((one) => one.address === address)?.reason);
const isEach = (status: NodeStatus, reason: string) =>
  isDeepStrictEqual(
    reasons(status),
    DEVICES.map(() => reason),
  );

describe.skipIf(rung.skipReason !== null || clusterRung.skipReason !== null)("a virtual machine as a node of the real cluster", () => {
  let cluster: Cluster;
  let node: VmNode;
  let vm: Vm;
  let agents: Agents;
  let wentWrong = false;
  const tell = rung.progress;
  const show = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await cluster.kubectl(args);
    tell(`kubectl ${args.join(" ")}\n${stdout.trimEnd()}`);
    return stdout;
  };
  const onStage = (): Stage => ({ cluster, node, vm, agents, tell, show });

  beforeAll(async () => {
    const { environment } = rung;
    const { chroot, kernels } = await rung.kit();
    const [kernel] = kernels;
    const names = await bundleProgram("pod-names", folder, "node");
    const contents = { ...(await machineContents(kernel, environment, tell)), [POD_NAMES]: names };
    cluster = await startCluster({ nodes: ["n1", "n2"], binaries: await clusterRung.binaries(), environment, progress: tell });
    const monitor = join(folder, "vmm.tar");
    await writeVmmImage(chroot, monitor);
    const archives = [await agentImage(ROOT), monitor];
    const devices = behindPorts(["nvme,serial=a", "nvme,serial=b"]);
    node = await startVmNode(cluster, { name: NODE, chroot, kernel, devices, archives, contents, environment, progress: tell });
    vm = node.vm;
    agents = agentsOn(cluster, NODE);
  }, 3_600_000);
  beforeEach(({ task, skip }) => {
    skip(wentWrong, "something went wrong before");
    tell(`# ${task.name}`);
    onTestFailed(async () => {
      wentWrong = true;
      tell(await node.logs());
      tell((await cluster.tryKubectl(["get", "pods", "-A", "-o", "wide"])).stdout);
      tell(await agents.log());
    });
  });
  afterAll(async () => {
    await cluster?.stop({ failed: wentWrong });
    rmSync(folder, { recursive: true, force: true });
  });

  it("is Ready, with a kernel of its own", async () => {
    expect(await show("get", "nodes", "-o", "wide")).toMatch(/^vm1 +Ready .* v1\.37\.2 +10\.77\.0\.13 .* 7\.2\./m);
  });

  it("runs a pod, shows its log, and lets commands into it", async () => {
    await cluster.apply(podOf("hello", NODE, { script: "echo hello from $(uname -r)" }));
    await untilPod(cluster, "hello", isReady);
    tell("a pod is Ready in it");
    expect(await untilLog(cluster, "hello", /hello/)).toMatch(/^hello from 7\.2\./);
    expect((await cluster.kubectl(["exec", "hello", "--", "cat", "/proc/sys/kernel/hostname"])).stdout).toBe("hello\n");
    await cluster.kubectl(["delete", "pod", "hello", "--wait=true", "--timeout=120s"]);
  });

  it("gets the agent from the chart, which trusts nothing as long as nobody answers for the unit", async () => {
    await agents.install();
    await agents.untilReady();
    tell("the agent is ready");
    await agents.setIntent("Trusted", { bind: "Keep" });
    const status = await agents.untilStatus("a verdict", (now) => now.units[0]?.state === "Unsupported");
    expect(status.units).toMatchObject([{ regBase: "0xfed90000", state: "Unsupported", reason: "TdxConnectMissing" }]);
    await show("get", "trustediommu");
    expect((await agents.allocatable())[RESOURCE] ?? "0").toBe("0");
  });

  it("has its unit trusted by ioctl as soon as the module is loaded, and its devices withheld as long as no VFIO driver has them", async () => {
    await vm.run(LOAD_PROJECT);
    const status = await agents.untilStatus(
      "a trusted unit, and devices withheld",
      (now) => now.units[0]?.state === "Trusted" && isEach(now, "NoVfioDevice"),
    );
    expect(await vm.run(TABLE)).toContain(`unit 0xfed90000 phase 2 id ${status.units[0]?.tdxIommuId} `);
    expect(status).toMatchObject({ simulated: true, tdxModule: { driver: "tdx_iommu" }, counts: { unitsTrusted: 1, devicesOffered: 0 } });
    expect(await show("get", "trustediommu")).toMatch(/^vm1 +Trusted +1 +1 +0 +2 /m);
    await agents.untilAllocatable("0");
  });

  it("gives them to vfio-pci when the spec says so, and offers them", async () => {
    await vm.run(LOAD_VFIO);
    const drivers = `for address in ${DEVICES.join(" ")}; do basename $(readlink /sys/bus/pci/devices/$address/driver || echo none); done`;
    expect(await vm.run(drivers)).toBe("none\nnone\n");
    await agents.setIntent("Trusted", { bind: "Vfio" });
    await agents.untilAllocatable("2");
    expect(await vm.run(drivers)).toBe("vfio-pci\nvfio-pci\n");
    await agents.untilStatus("both offered", (now) => isEach(now, "Offered"));
    await show("get", "trustediommu", "-o", "wide");
  });

  it("gives a pod a device, with its device nodes and no others", async () => {
    await cluster.apply(deploymentOf("worker", { device: true, script: OPEN_DEVICES }));
    const pod = await untilPod(cluster, "worker", isReady);
    expect(pod.spec.nodeName).toBe(NODE);
    const log = await untilLog(cluster, pod.metadata.name, /opened/);
    tell(`the log of ${pod.metadata.name}:\n${log}`);
    expect(log.match(/vfio\d$/gm)).toHaveLength(1);
    expect(log).toContain("TEEIO_SIMULATED=true");
    const holder = `default/${pod.metadata.name}`;
    await agents.untilStatus("the pod named", (now) => now.devices.filter((one) => one.usedBy?.pod === holder).length === 1);
  });

  it("withdraws everything when the TDX module has lost the unit, and gives nothing until it is set up again", async () => {
    await vm.run(`${HOLD_SETUP} && ${LOSE_UNITS}`);
    await agents.untilAllocatable("0");
    await agents.untilStatus("SETUP under way", (now) => now.units[0]?.state === "SettingUp" && isEach(now, "UnitNotTrusted"));
    await cluster.apply(podOf("forced", NODE, { device: true, script: "true" }));
    const forced = await untilPod(cluster, "forced", (pod) => pod.status.phase === "Failed");
    tell(`forced: ${forced.status.reason}: ${forced.status.message}`);
    expect(forced.status.reason).toBe("UnexpectedAdmissionError");
    await untilPod(cluster, "worker", isReady);
    await show("get", "trustediommu");
    await vm.run(LET_SETUP_GO_ON);
    await agents.untilAllocatable("1");
    const heldAndOffered = ["HeldAcrossTrustLoss", "Offered"];
    await agents.untilStatus("one held, one offered", (now) => isDeepStrictEqual(reasons(now).toSorted(), heldAndOffered));
    await cluster.kubectl(["delete", "pod", "forced", "--wait=true", "--timeout=120s"]);
  });

  it("comes back from a power cut under a running pod with nothing trusted and nothing to give", async () => {
    const { metadata } = await untilPod(cluster, "worker", isReady);
    await node.reset();
    tell("the power was cut, and the machine answers again");
    await node.untilReady();
    tell("the node is Ready again");
    expect((await agents.allocatable())[RESOURCE]).toBe("0");
    const bootId = (await vm.run("cat /proc/sys/kernel/random/boot_id")).trim();
    const status = await agents.untilStatus("a report of this boot", (now) => now.bootId === bootId && now.units.length > 0);
    tell(`the agent is back: ${status.summary}`);
    expect(status.units).toMatchObject([{ state: "Unsupported", tdxIommuId: "" }]);
    expect(status.counts).toMatchObject({ unitsTrusted: 0, devicesOffered: 0 });
    expect((await agents.allocatable())[RESOURCE]).toBe("0");
    const lost = await untilPod(cluster, metadata.name, (pod) => pod.status.phase === "Failed");
    tell(`${metadata.name}: ${lost.status.reason}: ${lost.status.message}`);
    await untilPod(cluster, "worker", (pod) => pod.status.phase === "Pending" && pod.spec.nodeName === undefined);
  });

  it("gives nothing while SETUP is under way, with all else ready, and then the waiting pod its device", async () => {
    await vm.run(PREPARE_WITH_SETUP_HELD);
    const before = await agents.untilStatus("SETUP under way", (now) => now.units[0]?.state === "SettingUp" && isEach(now, "UnitNotTrusted"));
    expect(before.counts).toMatchObject({ unitsTrusted: 0, devicesOffered: 0 });
    expect((await agents.allocatable())[RESOURCE]).toBe("0");
    await vm.run(LET_SETUP_GO_ON);
    await agents.untilStatus("both offered", (now) => now.units[0]?.state === "Trusted" && isEach(now, "Offered"));
    await untilPod(cluster, "worker", isReady);
    await show("get", "trustediommu", "-o", "wide");
    await show("get", "pods", "-o", "wide");
  });

  it("secures the link of a device that a pod has already, and releases it when the pod has gone", async () => {
    await agents.setIntent("Trusted", { enable: "OnPrepare" });
    const isSecured = (status: NodeStatus) =>
      status.devices.some((one) => one.link.state === "Secure" && one.usedBy?.pod.startsWith("default/worker"));
    // The pod that runs was given its device without a link.
    const secured = await agents.untilStatus("the link of the pod's device secured", isSecured);
    const given = secured.devices.find(({ link }) => link.state === "Secure")?.address ?? "";
    const told = await agents.tool("status", "--node", NODE);
    expect(told).toMatch(new RegExp(`${given} .*Secure`));
    tell(told);
    const explained = await agents.tool("explain", given, "--node", NODE, "--host-root", "/host");
    expect(explained).toContain(`${given} is offered`);
    tell(explained);
    await show("get", "trustediommu", "-o", "wide");
    await cluster.kubectl(["delete", "deployment", "worker", "--wait=true", "--timeout=120s"]);
    await agents.untilStatus("all links released", (now) => now.devices.every((one) => one.link.state === "Insecure"));
    expect(await vm.run(`cat ${DEVICES.map((address) => sys(address, "tsm/connect")).join(" ")}`)).toBe("\n\n");
  });

  tellOfAClaimant(onStage);

  tellOfAConsumer(onStage);

  tellOfLongConnects(onStage);

  it("releases the link when the pod has gone, and clears the unit after it", async () => {
    await agents.setIntent("Cleared", { enable: "OnPrepare" });
    await agents.untilStatus("a CLEAR that waits for the pod", (now) => now.units[0]?.reason === "ClearBlocked");
    await cluster.kubectl(["delete", "deployment", "rolled", "--wait=true", "--timeout=120s"]);
    const status = await agents.untilStatus("a cleared unit", (now) => now.units[0]?.state === "Untrusted");
    expect(status.devices.map(({ link }) => link.state)).toEqual(DEVICES.map(() => "Insecure"));
    expect(await vm.run(TABLE)).toMatch(/phase 0 .* links 0\n/);
    const log = await agents.log();
    tell(log);
    for (const address of DEVICES) {
      const { text, course } = await agents.audit(address);
      tell(text);
      // An agent was killed in this span of trust: what it had not written yet may be missing, and nothing may speak against the order.
      expect(["held", "unproven"]).toContain(course.verdict);
      expect(course.steps.at(-1)).toBe("unit cleared");
    }
    await show("get", "trustediommu", "-o", "wide");
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
