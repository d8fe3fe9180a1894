// SPDX-License-Identifier: Apache-2.0
// The agent on a kernel that owns TDX Connect. No such kernel ships: tdx_connect_sim.ko poses as its driver, with the files and log lines it has.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { COMMAND } from "./contents.ts";
import { onlyUnit, type VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-tdx-host-"));
const NVME = "0000:01:00.0";
const POSE = "insmod /tdx_connect_sim.ko pose=tdx_host";
const GIVE_TO_VFIO = giveToVfio(NVME);

describe.skipIf(rung.skipReason !== null)("the agent on a kernel that owns TDX Connect", () => {
  let vm: Vm;
  let node: VmNode;

  beforeAll(async () => {
    ({ vm, node } = await startAgentVm(rung, folder, { devices: behindPorts(["nvme,serial=a"]), vfio: true }));
    await vm.run(LOAD_VFIO);
    await node.startKubelet();
    await node.startAgent();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("finds no driver while there is none, and never takes a simulator", async () => {
    const status = await node.until("a status", (now) => now.units.length === 1);
    expect(status.tdxModule.driver).toBe("auto");
    expect(status.counts.unitsTrusted).toBe(0);
  });

  it("shows the files of such a kernel", async () => {
    await vm.run(POSE);
    expect(await vm.run("ls /sys/devices/faux/tdx_host/tsm")).toBe("tsm0\n");
    expect(await vm.run("cat /sys/devices/faux/tdx_host/version")).toBe("2.0.18\n");
    // No hand can bind or unbind it: only loading and unloading is left.
    expect((await vm.try("ls /sys/bus/faux/drivers/faux_driver/unbind")).code).not.toBe(0);
    const ecap = BigInt(`0x${(await vm.run("cat /sys/class/iommu/dmar0/intel-iommu/ecap")).trim()}`);
    expect(ecap & (1n << 50n)).not.toBe(0n);
    expect(await vm.run("dmesg | grep 'no probe' || echo none")).toBe("none\n");
  });

  it("concludes that the unit is trusted, lists its evidence, and offers the device behind it", async () => {
    const status = await node.until("trust", (now) => now.units[0]?.state === "Trusted" && now.units[0].reason === "SetupSucceeded");
    expect(onlyUnit(status)).toMatchObject({
      tdxIommuId: "",
      message: expect.stringMatching(/^tsm0 of tdx_host; ecap with TDX Connect; SETUP logged/),
    });
    expect(status.tdxModule).toMatchObject({ driver: "tdx_host", version: "2.0.18" });
    expect(status.simulated).toBe(true);
    await vm.run(GIVE_TO_VFIO);
    await node.until("the device offered", (now) => now.devices.some((one) => one.address === NVME && one.offered));
    expect(await node.untilOffered("the device", (ids) => ids.length > 0)).toEqual([NVME]);
    rung.progress(`trusted-iommu status, with the kernel's own driver:\n${await vm.run(`${COMMAND} status --status /run/status.json`)}`);
  });

  it("withdraws for an intent of Cleared, and says who clears", async () => {
    await vm.run("cp /cleared.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
    await node.untilOffered("nothing", (ids) => ids.length === 0);
    const status = await node.until("KernelOwned", (now) => now.units[0]?.reason === "KernelOwned");
    expect(onlyUnit(status)).toMatchObject({ state: "Trusted", message: expect.stringContaining("unload tdx_host") });
    await vm.run("rmmod tdx_connect_sim");
    const cleared = await node.until("no driver", (now) => now.tdxModule.driver === "auto");
    expect(cleared.counts.unitsTrusted).toBe(0);
    await vm.run("cp /trusted.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
  });

  it("offers nothing when the driver comes again and says nothing of the unit in a log that went round", async () => {
    await vm.run("kill $(cat /run/agent.pid) && dmesg -c > /dev/null");
    // `dmesg -c` moves dmesg's own mark only: the ring itself has to go round.
    await vm.run("for i in $(seq 400); do head -c 900 /dev/zero | tr '\\0' x > /dev/kmsg; done; dmesg > /dev/null; true", 120_000);
    await vm.run(`${POSE} pose_log=0`);
    await vm.run(`rm -f /run/status.json; ${GIVE_TO_VFIO}`);
    await node.startAgent();
    const status = await node.until("a verdict", (now) => now.tdxModule.driver === "tdx_host");
    expect(onlyUnit(status)).toMatchObject({
      state: "Unknown",
      reason: "EvidenceIncomplete",
      message: expect.stringContaining("no line of its SETUP"),
    });
    expect((await node.offers()).at(-1)).toEqual([]);
    expect(status.conditions.find((one) => one.type === "Degraded")).toMatchObject({ status: "True", reason: "UnitFailed" });
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    await vm.run("kill $(cat /run/agent.pid); rmmod tdx_connect_sim");
    expect(await vm.complaints()).toEqual([]);
  });
});
