// SPDX-License-Identifier: Apache-2.0
// Drivers that the agent changes, on a real kernel: what the host uses is left alone, what a process has open is waited for.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../../cluster/command.ts";
import { sys } from "../kit/device.ts";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { LOAD_NATIVE, nativeModules } from "../kit/native-drivers.ts";
import { LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import type { VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-drivers-"));
const NVME = "0000:01:00.0";
const IGB = "0000:02:00.0";
const HOLDER = fileURLToPath(new URL("vfio-holder.c", import.meta.url));

describe.skipIf(rung.skipReason !== null)("drivers on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  const driverOf = async (address: string): Promise<string> => (await vm.run(`basename $(readlink ${sys(address, "driver")} || echo none)`)).trim();
  const manifest = (name: string): Promise<string> => vm.run(`cp /${name} /node.new && mv /node.new /node.yaml`);

  beforeAll(async () => {
    const holder = join(folder, "vfio-holder");
    await runCommand(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", holder, HOLDER]);
    const disk = join(folder, "disk");
    await runCommand(["truncate", "-s", "16M", disk]);
    const { kernels } = await rung.kit();
    ({ vm, node } = await startAgentVm(rung, folder, {
      devices: behindPorts(["nvme,serial=a,drive=disk", "igb"]),
      more: ["-drive", `file=${disk},format=raw,if=none,id=disk,cache=unsafe`],
      vfio: true,
      contents: { "vfio-holder": holder, ...(await nativeModules(kernels[0], folder)) },
    }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO} && ${LOAD_NATIVE} && cp /binding.yaml /node.yaml`);
    await vm.run("for i in $(seq 100); do [ -e /dev/nvme0 ] && ip link set eth0 up && exit 0; sleep 0.1; done; exit 1");
    await vm.run("sleep 100000 < /dev/nvme0 & echo $! > /run/user.pid");
    await node.startKubelet();
    await node.startAgent();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("stay while the host uses the function, and the status names the user", async () => {
    const network = await node.untilDevice(IGB, "in use", (one) => one.reason === "InUseByHost");
    expect(network.message).toContain("network interface eth0 is up");
    const disk = await node.untilDevice(NVME, "in use", (one) => one.reason === "InUseByHost");
    expect(disk.message).toContain(`/dev/nvme0 is open in pid ${(await vm.run("cat /run/user.pid")).trim()}`);
    expect([await driverOf(NVME), await driverOf(IGB)]).toEqual(["nvme", "igb"]);
  });

  it("stay while the kernel itself uses a disk, as the helper finds out without the agent", async () => {
    await vm.run("mkswap /dev/nvme0n1 && swapon /dev/nvme0n1");
    const swap = await node.untilDevice(NVME, "swap", (one) => one.message.includes("swap"));
    expect(swap.reason).toBe("InUseByHost");
    expect(await vm.run(`/opt/trusted-iommu/dist/driver-writer /sys/bus/pci ${NVME} vfio /dev $$`)).toBe("disk EBUSY\n");
    expect([await driverOf(NVME), await vm.run(`cat ${sys(NVME, "driver_override")}`)]).toEqual(["nvme", "(null)\n"]);
    await vm.run("swapoff /dev/nvme0n1");
  });

  it("stay while the function has virtual functions", async () => {
    await vm.run(`echo 1 > ${sys(IGB, "sriov_numvfs")} && ip link set eth0 down`);
    await node.untilDevice(IGB, "divided", (one) => one.reason === "HasVirtualFunctions");
    expect(await driverOf(IGB)).toBe("igb");
    await vm.run(`echo 0 > ${sys(IGB, "sriov_numvfs")}`);
  });

  it("are vfio-pci once nobody uses the function, and it is offered", async () => {
    await node.untilDevice(IGB, "offered", (one) => one.offered);
    await vm.run("kill $(cat /run/user.pid)");
    await node.untilDevice(NVME, "offered", (one) => one.offered);
    expect([await driverOf(NVME), await driverOf(IGB)]).toEqual(["vfio-pci", "vfio-pci"]);
    expect(await node.untilOffered("both", (ids) => ids.length === 2)).toEqual([NVME, IGB]);
  });

  it("are the functions' own again when the spec says so, and not before a process has let go of the device", async () => {
    await vm.run("/vfio-holder /dev/vfio/devices/$(ls /sys/bus/pci/devices/0000:01:00.0/vfio-dev) > /run/holder 2>&1 & echo $! > /run/holder.pid");
    await vm.run("for i in $(seq 100); do grep -q held /run/holder && exit 0; sleep 0.1; done; cat /run/holder; exit 1");
    await manifest("native.yaml");
    await node.untilOffered("nothing", (ids) => ids.length === 0);
    await node.untilDevice(NVME, "held", (one) => one.reason === "NativeDriver" && /in use by pid \d+/.test(one.message));
    await vm.run(`for i in $(seq 600); do [ "$(basename $(readlink ${sys(IGB, "driver")}))" = igb ] && exit 0; sleep 0.1; done; exit 1`);
    expect(await driverOf(NVME)).toBe("vfio-pci");
    await vm.run("kill $(cat /run/holder.pid)");
    await vm.run(`for i in $(seq 600); do [ "$(basename $(readlink ${sys(NVME, "driver")}))" = nvme ] && exit 0; sleep 0.1; done; exit 1`);
    expect(await vm.run(`cat ${sys(NVME, "driver_override")}`)).toBe("(null)\n");
  });

  it("are left alone where somebody else has overridden them", async () => {
    await vm.run(`echo pci-stub > ${sys(NVME, "driver_override")}`);
    await manifest("binding.yaml");
    const shown = await node.untilDevice(NVME, "overridden", (one) => one.reason === "DriverOverridden");
    expect(shown.message).toContain("pci-stub");
    await node.untilDevice(IGB, "offered", (one) => one.offered);
    expect(await driverOf(NVME)).toBe("nvme");
    await vm.run(`echo > ${sys(NVME, "driver_override")}`);
    await node.untilDevice(NVME, "offered", (one) => one.offered);
  });

  it("leave nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
