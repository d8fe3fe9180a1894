// SPDX-License-Identifier: Apache-2.0
// Devices on a real kernel with VFIO and IOMMUFD: offered to kubelet, taken, reset, pulled out, divided into virtual functions.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeviceStatus } from "../../../src/domain/status.ts";
import { runCommand } from "../../cluster/command.ts";
import { announce, connect, disconnect, sys } from "../kit/device.ts";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { LOSE_UNITS } from "../kit/simulator.ts";
import { giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { onlyUnit, type VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-devices-"));
const NVME = "0000:01:00.0";
const IGB = "0000:02:00.0";
const HOLDER = fileURLToPath(new URL("vfio-holder.c", import.meta.url));

describe.skipIf(rung.skipReason !== null)("devices on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  beforeAll(async () => {
    const holder = join(folder, "vfio-holder");
    await runCommand(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", holder, HOLDER]);
    ({ vm, node } = await startAgentVm(rung, folder, {
      devices: behindPorts(["nvme,serial=a,id=nvme", "igb"]),
      vfio: true,
      contents: { "vfio-holder": holder },
    }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO}`);
    await node.startKubelet();
    await node.startAgent();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are withheld while no VFIO driver has them", async () => {
    await node.until("a trusted unit", (now) => now.units[0]?.state === "Trusted");
    expect(await node.untilDevice(NVME, "NoVfioDevice", (one) => one.reason === "NoVfioDevice")).toMatchObject({ offered: false });
    expect((await node.offers()).at(-1)).toEqual([]);
  });

  it("are offered as soon as vfio-pci has them, after SETUP", async () => {
    await vm.run(giveToVfio(NVME));
    expect(await vm.run("ls /dev/vfio/devices")).toMatch(/^vfio0$/m);
    await node.untilDevice(NVME, "offered", (one) => one.offered);
    expect(await node.untilOffered("the device", (ids) => ids.length > 0)).toEqual([NVME]);
  });

  it("stay offered when their link is secured after SETUP", async () => {
    await vm.run(`${connect(NVME)} && ${announce(NVME)}`);
    await node.untilDevice(NVME, "secure", (one) => one.link.state === "Secure" && one.offered);
    expect(await node.untilOffered("the device", (ids) => ids.length > 0)).toEqual([NVME]);
  });

  it("are withheld when taking them resets their link, which the kernel still calls connected", async () => {
    await vm.run("/vfio-holder /dev/vfio/devices/vfio0 > /run/holder 2>&1 & echo $! > /run/holder.pid");
    await vm.run("for i in $(seq 100); do grep -q held /run/holder && exit 0; sleep 0.1; done; cat /run/holder; exit 1");
    expect((await vm.run(`cat ${sys(NVME, "tsm/connect")} && ${announce(NVME)}`)).trim()).toBe("tsm0");
    await node.untilDevice(NVME, "LinkBroken", (one) => one.reason === "LinkBroken" && !one.offered);
    await node.untilOffered("nothing", (ids) => ids.length === 0);
    // In order again, but in the hands of a process, while kubelet gives it to no pod.
    await vm.run(`${disconnect(NVME)} && ${connect(NVME)} && ${announce(NVME)}`);
    await node.untilDevice(NVME, "HeldByUnknown", (one) => one.reason === "HeldByUnknown" && one.link.state === "Secure");
    // Its end is a reset, too.
    await vm.run("kill $(cat /run/holder.pid)");
    await vm.run(`${disconnect(NVME)} && ${connect(NVME)} && ${announce(NVME)}`);
    await node.untilDevice(NVME, "offered again", (one) => one.offered && one.link.state === "Secure");
    await vm.run(`${disconnect(NVME)} && ${announce(NVME)}`);
  });

  it("are pulled out and plugged in again", async () => {
    await node.untilDevice(NVME, "insecure", (one) => one.link.state === "Insecure");
    await vm.qmp("device_del", { id: "nvme" });
    await node.untilOffered("nothing", (ids) => ids.length === 0);
    await node.until("the device gone", (now) => now.devices.every((one) => one.address !== NVME));
    await vm.qmp("device_add", { driver: "nvme", serial: "a", id: "again", bus: "rp0" });
    expect(await node.untilDevice(NVME, "back", (one) => one.reason === "NoVfioDevice")).toMatchObject({ offered: false });
    await vm.run(giveToVfio(NVME));
    expect(await node.untilOffered("the device", (ids) => ids.length > 0)).toEqual([NVME]);
  });

  it("have virtual functions, which are offered by themselves", async () => {
    await vm.run(giveToVfio(IGB));
    await node.untilDevice(IGB, "offered", (one) => one.offered);
    await vm.run(`echo 2 > ${sys(IGB, "sriov_numvfs")}`);
    const status = await node.until(
      "virtual functions",
      (now) => now.devices.filter((one) => one.address.startsWith("0000:02:") && one.offered).length === 3,
    );
    const ids = status.devices.filter((one) => one.offered).map((one) => one.address);
    expect(await node.untilOffered("all", (offered) => offered.length === ids.length)).toEqual(expect.arrayContaining(ids));
    await vm.run(`echo 0 > ${sys(IGB, "sriov_numvfs")}`);
    await node.untilOffered("the virtual functions gone", (offered) => offered.length === ids.length - 2);
  });

  it("have virtual functions that a link covers only when they were there as it was secured", async () => {
    const ofIgb = (now: { readonly devices: readonly DeviceStatus[] }) => now.devices.filter(({ address }) => address.startsWith("0000:02:"));
    // Asleep, it would be reset as it wakes up for them.
    await vm.run(`echo on > ${sys(IGB, "power/control")} && ${connect(IGB)} && echo 2 > ${sys(IGB, "sriov_numvfs")} && ${announce(IGB)}`);
    // A look that the connect falls into cannot tell the link, and takes the device away until the next one.
    const later = await node.until(
      "two that are not covered, and one that is",
      (now) => ofIgb(now).filter((one) => one.reason === "LinkNotCovering").length === 2 && ofIgb(now).some((one) => one.offered),
    );
    expect(ofIgb(later).filter((one) => one.offered)).toMatchObject([{ address: IGB, link: { state: "Secure", tsm: "tsm0" } }]);
    await vm.run(`${disconnect(IGB)} && ${connect(IGB)} && ${announce(IGB)}`);
    await node.until("all covered", (now) => ofIgb(now).filter((one) => one.offered && one.link.state === "Secure").length === 3);
    await vm.run(`${disconnect(IGB)} && echo 0 > ${sys(IGB, "sriov_numvfs")} && ${announce(IGB)}`);
    await node.untilDevice(IGB, "insecure", (one) => one.offered && one.link.state === "Insecure");
  });

  it("are withdrawn at once when the TDX module has lost their unit, and come back after SETUP", async () => {
    const { setupSeq } = onlyUnit(await node.status());
    const { length: given } = await node.offers();
    await vm.run(LOSE_UNITS);
    await node.until("another SETUP", (now) => now.units[0]?.state === "Trusted" && now.units[0].setupSeq !== setupSeq);
    const offers = await node.untilOffers("the devices given again", (all) => all.slice(given).at(-1)?.includes(NVME) === true);
    expect(offers[given]).toEqual([]);
  });

  it("leave nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
