// SPDX-License-Identifier: Apache-2.0
// Links that the agent writes, on a real kernel: its own PCI/TSM core, IDE registers, resets and locks, and a pod of the kubelet that stands in.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../../cluster/command.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { announce, connect, sys } from "../kit/device.ts";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { SIM } from "../kit/simulator.ts";
import { giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import type { VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-secured-"));
const NVME = "0000:01:00.0";
const OTHER = "0000:02:00.0";
const HOLDER = fileURLToPath(new URL("vfio-holder.c", import.meta.url));
const STREAMS = "ls /sys/devices/pci0000:00 | grep -c ^stream; true";

describe.skipIf(rung.skipReason !== null)("links that the agent secures on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  const connected = async (address: string): Promise<string> => (await vm.run(`cat ${sys(address, "tsm/connect")}`)).trim();
  /** Waits until the agent has had so many answers to writes of links. */
  const untilWrites = (count: number): Promise<number> =>
    waitUntil(
      `${count} writes`,
      async () => {
        const answered = Number((await vm.try("grep -c 'link write answered' /run/agent.log")).output);
        return answered >= count ? met(answered) : notYet<number>(String(answered));
      },
      { deadlineMs: 60_000 },
    );
  /** A virtual machine monitor takes the device, which resets it. */
  const hold = (device: string): Promise<string> =>
    vm.run(
      `/vfio-holder ${device} > /run/holder 2>&1 & echo $! > /run/holder.pid; for i in $(seq 100); do grep -q held /run/holder && exit 0; sleep 0.1; done; exit 1`,
    );

  beforeAll(async () => {
    const holder = join(folder, "vfio-holder");
    await runCommand(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", holder, HOLDER]);
    ({ vm, node } = await startAgentVm(rung, folder, {
      devices: behindPorts(["nvme,serial=a", "nvme,serial=b"]),
      vfio: true,
      contents: { "vfio-holder": holder },
    }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO} && cp /securing.yaml /node.yaml`);
    await node.startKubelet();
    await node.startAgent();
    await vm.run(`${giveToVfio(NVME)} && ${giveToVfio(OTHER)}`);
    await node.untilOffered("both devices", (ids) => ids.length === 2);
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are secured before the container of a pod starts, and of no other device", async () => {
    await node.setPods(["a"]);
    const said = await node.untilPod("a", "running", ({ phase }) => phase === "Running");
    expect(said.at(-1)?.ids).toEqual([NVME]);
    expect([await connected(NVME), await connected(OTHER)]).toEqual(["tsm0", ""]);
    expect(await vm.run(`cat ${sys(NVME, "power/control")}`)).toBe("on\n");
    await node.untilDevice(NVME, "secure", (one) => one.offered && one.link.state === "Secure" && one.usedBy !== null);
  });

  it("are repaired under the virtual machine monitor that has reset its device, and the device stays listed", async () => {
    const { length: before } = await node.offers();
    const [given] = (await node.untilPod("a", "given a node", () => true)).flatMap(({ deviceNodes }) => deviceNodes);
    await hold(given ?? "");
    // Connected, disconnected, and connected again.
    await untilWrites(3);
    await node.untilDevice(NVME, "secure again", (one) => one.link.state === "Secure" && one.offered);
    expect((await node.offers()).length).toBe(before);
    expect((await vm.run(STREAMS)).trim()).toBe("1");
  });

  it("are released when their pod has gone, and not before", async () => {
    await node.setPods([]);
    // Whoever has it open keeps its link, pod or no pod.
    await node.untilDevice(NVME, "no pod's", (one) => one.reason === "HeldByUnknown");
    expect(await connected(NVME)).toBe("tsm0");
    await vm.run("kill $(cat /run/holder.pid)");
    await node.untilDevice(NVME, "insecure", (one) => one.offered && one.link.state === "Insecure");
    expect(await connected(NVME)).toBe("");
    expect((await vm.run(STREAMS)).trim()).toBe("0");
    expect(await vm.run(`cat ${sys(NVME, "power/control")}`)).toBe("auto\n");
  });

  it("that take long withdraw nothing, and outlive an agent that is killed, whose successor is there at once and adopts them", async () => {
    await vm.run(`echo 25000 > ${SIM}/link_connect_ms`);
    const { length: before } = await node.offers();
    await node.setPods(["b"]);
    const { message } = (await node.untilPod("b", "refused for now", ({ message: text }) => text.includes("LINK_PENDING"))).at(-1) ?? {};
    expect(message).toMatch(/link of 0000:0[12]:00\.0 is being secured for \d+ s/);
    expect((await node.offers()).length).toBe(before);
    await vm.run("kill -9 $(cat /run/agent.pid); rm -f /run/status.json");
    // The helper is still in the kernel.
    expect(await vm.run("ps | grep -c '[l]ink-writer'")).toBe("1\n");
    const startedMs = Date.now();
    await node.startAgent();
    await node.until("a status", (now) => now.units[0]?.state === "Trusted");
    expect(Date.now() - startedMs).toBeLessThan(20_000);
    await vm.run(`echo 0 > ${SIM}/link_connect_ms`);
    await node.untilPod("b", "running", ({ phase }) => phase === "Running");
    const status = await node.until("a secured device", (now) => now.devices.some((one) => one.link.state === "Secure" && one.usedBy !== null));
    expect(status.conditions.find(({ type }) => type === "Degraded")).toMatchObject({ status: "False" });
    await node.setPods([]);
    await node.until("all released", (now) => now.devices.every((one) => one.link.state === "Insecure"));
  });

  it("that a device does not authenticate keep it from pods, with the reason", async () => {
    await vm.run(`echo 1 > ${SIM}/link_auth_fails`);
    await node.setPods(["c"]);
    await node.untilPod("c", "refused", ({ message }) => message.includes("AuthenticationFailed"));
    await node.until("one that is withheld", (now) => now.devices.filter((one) => one.reason === "AuthenticationFailed").length === 1);
    await node.setPods([]);
  });

  it("that nobody uses are released, whoever made them, and before their unit is cleared", async () => {
    await vm.run(`${connect(OTHER)} && ${announce(OTHER)}`);
    await node.untilDevice(OTHER, "secure", (one) => one.link.state === "Secure");
    await vm.run("sed 's/state: Trusted/state: Cleared/' /securing.yaml > /node.yaml.new && mv /node.yaml.new /node.yaml");
    await node.until("a cleared unit", (now) => now.units[0]?.state === "Untrusted");
    expect(await connected(OTHER)).toBe("");
  });

  it("leave nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
