// SPDX-License-Identifier: Apache-2.0
// Links that the agent writes, on a real kernel: its own PCI/TSM core, IDE registers, resets and locks, and a pod of the kubelet that stands in.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../../cluster/command.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { announce, connect, streamStatus, sys } from "../kit/device.ts";
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
/** It has no function-level reset: it is reset by power management. */
const E1000E = "0000:03:00.0";
const ALL = [NVME, OTHER, E1000E];
const HOLDER = fileURLToPath(new URL("vfio-holder.c", import.meta.url));
const STREAMS = "ls /sys/devices/pci0000:00 | grep -c ^stream; true";

describe.skipIf(rung.skipReason !== null)("links that the agent secures on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  const connected = async (address: string): Promise<string> => (await vm.run(`cat ${sys(address, "tsm/connect")}`)).trim();
  /** Answers that the agent has had to writes of links. */
  const writes = async (): Promise<number> => Number((await vm.try("grep -c 'link write answered' /run/agent.log")).output);
  /** Waits until there are so many. */
  const untilWrites = (count: number): Promise<number> =>
    waitUntil(
      `${count} writes`,
      async () => {
        const answered = await writes();
        return answered >= count ? met(answered) : notYet<number>(String(answered));
      },
      { deadlineMs: 60_000 },
    );
  /** Whether its own end of the stream reads as secure. */
  const isStreamSecure = async (address: string): Promise<boolean> => (await vm.run(streamStatus(address))).trim() === "00000002";
  /** The IOMMUFD node of the device. */
  const nodeOf = async (address: string): Promise<string> => `/dev/vfio/devices/${(await vm.run(`ls ${sys(address, "vfio-dev")}`)).trim()}`;
  /** A virtual machine monitor takes the device, which resets it. */
  const hold = async (address: string): Promise<string> => {
    const [said, pid] = [`/run/holder-${address}`, `/run/holder-${address}.pid`];
    const start = `rm -f ${said}; /vfio-holder ${await nodeOf(address)} > ${said} 2>&1 & echo $! > ${pid}`;
    return vm.run(`${start}; for i in $(seq 100); do grep -q held ${said} && exit 0; sleep 0.1; done; cat ${said}; exit 1`);
  };
  /** It goes, which resets the device once more. Returns when nobody has it open. */
  const letGo = (address: string): Promise<string> => {
    const pid = `$(cat /run/holder-${address}.pid)`;
    return vm.run(`kill ${pid}; for i in $(seq 100); do [ -e /proc/${pid}/exe ] || exit 0; sleep 0.1; done; exit 1`);
  };

  beforeAll(async () => {
    const holder = join(folder, "vfio-holder");
    await runCommand(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", holder, HOLDER]);
    ({ vm, node } = await startAgentVm(rung, folder, {
      devices: behindPorts(["nvme,serial=a", "nvme,serial=b", "e1000e,romfile="]),
      vfio: true,
      contents: { "vfio-holder": holder },
    }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO} && cp /securing.yaml /node.yaml`);
    await node.startKubelet();
    await node.startAgent();
    await vm.run(ALL.map(giveToVfio).join(" && "));
    await node.untilOffered("all devices", (ids) => ids.length === ALL.length);
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

  it("outlive resets that keep streams, and nothing is written", async () => {
    await vm.run(`echo Y > ${SIM}/reset_keeps_streams`);
    await hold(NVME);
    await letGo(NVME);
    await vm.run(`echo N > ${SIM}/reset_keeps_streams`);
    await node.untilDevice(NVME, "secure", (one) => one.link.state === "Secure");
    expect([await isStreamSecure(NVME), await writes()]).toEqual([true, 1]);
  });

  it("are repaired under the virtual machine monitor that has reset its device, and the device stays listed", async () => {
    const { length: before } = await node.offers();
    const [given] = (await node.untilPod("a", "given a node", () => true)).flatMap(({ deviceNodes }) => deviceNodes);
    expect(given).toBe(await nodeOf(NVME));
    await hold(NVME);
    // Connected, disconnected, and connected again.
    await untilWrites(3);
    await node.untilDevice(NVME, "secure again", (one) => one.link.state === "Secure" && one.offered);
    expect((await node.offers()).length).toBe(before);
    expect((await vm.run(STREAMS)).trim()).toBe("1");
  });

  it("are repaired after a reset by power management, too", async () => {
    await node.setPods(["a", "d", "e"]);
    await node.untilPod("e", "running", ({ phase }) => phase === "Running");
    await node.untilDevice(E1000E, "secure", (one) => one.link.state === "Secure" && one.usedBy !== null);
    const before = await writes();
    await hold(E1000E);
    await untilWrites(before + 2);
    await node.untilDevice(E1000E, "secure again", (one) => one.link.state === "Secure" && one.offered);
    expect(await isStreamSecure(E1000E)).toBe(true);
  });

  it("that a confidential virtual machine uses are not repaired, and not released, until it lets go", async () => {
    const before = await writes();
    await vm.run(`echo ${E1000E} > ${SIM}/tdi_bind`);
    expect((await vm.run(`cat ${sys(E1000E, "tsm/bound")}`)).trim()).not.toBe("");
    await letGo(E1000E);
    await node.untilDevice(E1000E, "broken", (one) => one.link.state === "Broken");
    // One that breaks later is repaired, so that this one's repair would be due.
    await vm.run(`echo ${NVME} > ${SIM}/stream_lost`);
    await untilWrites(before + 2);
    await node.untilDevice(NVME, "secure again", (one) => one.link.state === "Secure");
    expect([await connected(E1000E), await isStreamSecure(E1000E), await writes()]).toEqual(["tsm0", false, before + 2]);
    await vm.run(`echo ${E1000E} > ${SIM}/tdi_unbind`);
    await untilWrites(before + 4);
    await node.untilDevice(E1000E, "secure again", (one) => one.link.state === "Secure" && one.offered);
    await vm.run(`echo ${E1000E} > ${SIM}/tdi_bind`);
    // Both pods go at once. The other device's link is released when the settling time is over, so this one's would be.
    await node.setPods(["a"]);
    await node.untilDevice(OTHER, "insecure", (one) => one.link.state === "Insecure");
    expect([await connected(E1000E), await isStreamSecure(E1000E), await writes()]).toEqual(["tsm0", true, before + 5]);
    await vm.run(`echo ${E1000E} > ${SIM}/tdi_unbind`);
    await node.untilDevice(E1000E, "insecure", (one) => one.link.state === "Insecure");
    expect(await writes()).toBe(before + 6);
  });

  it("are released when their pod has gone, and not before", async () => {
    await node.setPods([]);
    // Whoever has it open keeps its link, pod or no pod.
    await node.untilDevice(NVME, "no pod's", (one) => one.reason === "HeldByUnknown");
    expect(await connected(NVME)).toBe("tsm0");
    await letGo(NVME);
    await node.untilDevice(NVME, "insecure", (one) => one.offered && one.link.state === "Insecure");
    expect(await connected(NVME)).toBe("");
    expect((await vm.run(STREAMS)).trim()).toBe("0");
    expect(await vm.run(`cat ${sys(NVME, "power/control")}`)).toBe("auto\n");
  });

  it("that take long withdraw nothing, and outlive an agent that is killed, whose successor is there at once and adopts them", async () => {
    await vm.run(`echo 600000 > ${SIM}/link_connect_ms`);
    const { length: before } = await node.offers();
    await node.setPods(["b"]);
    const { message } = (await node.untilPod("b", "refused for now", ({ message: text }) => text.includes("LINK_PENDING"))).at(-1) ?? {};
    expect(message).toMatch(/link of 0000:0[12]:00\.0 is being secured for \d+ s/);
    expect((await node.offers()).length).toBe(before);
    await vm.run("kill -9 $(cat /run/agent.pid); rm -f /run/status.json");
    await node.startAgent();
    await node.until("a status", (now) => now.units[0]?.state === "Trusted");
    // The helper is still in the kernel.
    expect(await vm.run("ps | grep -c '[l]ink-writer'")).toBe("1\n");
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
