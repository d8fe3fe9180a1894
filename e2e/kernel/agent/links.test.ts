// SPDX-License-Identifier: Apache-2.0
// Links on a real kernel: its own PCI/TSM and IDE core, its own tsm/connect, with a simulated TSM behind it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeviceStatus } from "../../../src/domain/status.ts";
import { ensureModules } from "../kit/modules.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import { startVm, type Vm } from "../vm/vm.ts";
import { agentContents } from "./contents.ts";
import { type VmNode, vmNode } from "./node.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-links-"));
const SIM = "/sys/kernel/debug/tdx_connect_sim";
const FIRST = "0000:01:00.0";
const SECOND = "0000:02:00.0";
const sys = (address: string, file: string): string => `/sys/bus/pci/devices/${address}/${file}`;
const connect = (address: string): string => `echo tsm0 > ${sys(address, "tsm/connect")}`;
const disconnect = (address: string): string => `echo tsm0 > ${sys(address, "tsm/disconnect")}`;

describe.skipIf(rung.skipReason !== null)("links on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;
  const deviceIn = async (address: string, what: string, isMet: (device: DeviceStatus) => boolean): Promise<DeviceStatus> => {
    const has = (devices: readonly DeviceStatus[]) => devices.find((device) => device.address === address && isMet(device));
    const status = await node.until(`${address}: ${what}`, (now) => has(now.devices) !== undefined);
    const device = has(status.devices);
    if (device === undefined) throw new Error(`${address} is gone`);
    return device;
  };

  beforeAll(async () => {
    const kit = await rung.kit();
    const [kernel] = kit.kernels;
    const built = await ensureModules(kernel, rung.environment);
    const modules = Object.fromEntries(["tdx_iommu.ko", "tdx_connect_sim.ko"].map((file) => [file, join(built.folder, file)]));
    const contents = { ...modules, ...(await agentContents(folder)) };
    vm = await startVm({ chroot: kit.chroot, kernel, contents, devices: behindPorts(["nvme,serial=a", "e1000e,romfile="]), memoryMb: 1536 });
    node = vmNode(vm);
    await vm.run("cp /trusted.yaml /node.yaml && insmod /tdx_iommu.ko && insmod /tdx_connect_sim.ko");
    await node.startKubelet();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are the kernel's own files", async () => {
    expect(await vm.run("ls /sys/class/tsm")).toBe("tsm0\n");
    expect((await vm.run(`cat ${sys(FIRST, "tsm/connect")}`)).trim()).toBe("");
    expect(await vm.run(`ls ${sys(SECOND, "tsm")}`)).toMatch(/connect/);
  });

  it("are refused by the TSM while the unit is not trusted", async () => {
    expect((await vm.try(connect(FIRST))).code).not.toBe(0);
    expect(await vm.run(`cat ${SIM}/table`)).toMatch(/phase 0 .* links 0/);
  });

  it("secured before SETUP keep the unit untrusted and the device withheld, until they are released", async () => {
    await vm.run(`echo Y > ${SIM}/link_before_setup && ${connect(FIRST)} && echo N > ${SIM}/link_before_setup`);
    await node.startAgent();
    const device = await deviceIn(FIRST, "LinkSecuredBeforeSetup", (one) => one.reason === "LinkSecuredBeforeSetup");
    expect(device.link).toMatchObject({ state: "Secure", tsm: "tsm0" });
    expect((await node.status()).units[0]).toMatchObject({ state: "Untrusted", reason: "LinkSecuredBeforeSetup" });
    expect(await vm.run(`cat ${SIM}/table`)).toMatch(/setup_calls 0\n/);
    await vm.run(disconnect(FIRST));
    await node.until("a trusted unit", (now) => now.units[0]?.state === "Trusted");
    const released = await deviceIn(FIRST, "another reason", (one) => one.reason !== "LinkSecuredBeforeSetup");
    // This kernel has no IOMMUFD: that, and nothing else, withholds the device now.
    expect(released).toMatchObject({ reason: "NoVfioDevice", link: { state: "Insecure", tsm: "" } });
  });

  it("secured after SETUP are in order", async () => {
    await vm.run(connect(FIRST));
    expect((await vm.run(`cat ${sys(FIRST, "tsm/connect")}`)).trim()).toBe("tsm0");
    expect(await vm.run("ls /sys/devices/pci0000:00")).toMatch(/stream0\.0\.0/);
    const device = await deviceIn(FIRST, "a secure link", (one) => one.link.state === "Secure");
    expect(device).toMatchObject({ reason: "NoVfioDevice", link: { tsm: "tsm0" } });
    expect((await node.status()).units[0]).toMatchObject({ state: "Trusted" });
  });

  it("that are reset, or lose their stream, are broken: the kernel still names the TSM, the registers do not agree", async () => {
    await vm.run(`echo 1 > ${sys(FIRST, "reset")}`);
    expect((await vm.run(`cat ${sys(FIRST, "tsm/connect")}`)).trim()).toBe("tsm0");
    expect(await deviceIn(FIRST, "LinkBroken", (one) => one.reason === "LinkBroken")).toMatchObject({ offered: false });
    await vm.run(`${disconnect(FIRST)} && ${connect(FIRST)}`);
    await deviceIn(FIRST, "in order again", (one) => one.reason === "NoVfioDevice" && one.link.state === "Secure");
    await vm.run(`echo ${FIRST} > ${SIM}/stream_lost`);
    await deviceIn(FIRST, "LinkBroken", (one) => one.reason === "LinkBroken");
    await vm.run(`${disconnect(FIRST)} && ${connect(FIRST)}`);
  });

  it("hold up a CLEAR in the TDX module, and the agent does not ask for one", async () => {
    await vm.run("cp /cleared.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
    const status = await node.until("a verdict", (now) => now.units[0]?.reason.startsWith("Clear") ?? false);
    rung.progress(`to be cleared with a secured link: ${status.units[0]?.reason} ${status.units[0]?.message}`);
    await vm.run("cp /trusted.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
    await node.until("trust", (now) => now.units[0]?.state === "Trusted" && now.units[0].reason === "SetupSucceeded");
  });

  it("that fail authentication stay insecure", async () => {
    await vm.run(`echo 1 > ${SIM}/link_auth_fails`);
    expect((await vm.try(connect(SECOND))).code).not.toBe(0);
    expect((await vm.run(`cat ${sys(SECOND, "tsm/connect")}`)).trim()).toBe("");
    await vm.run(`${connect(SECOND)} && ${disconnect(SECOND)}`);
  });

  it("go with their device, and come back insecure with it", async () => {
    await vm.run(`echo 1 > ${sys(FIRST, "remove")}`);
    await node.until("the device gone", (now) => now.devices.every((one) => one.address !== FIRST));
    expect(await vm.run(`cat ${SIM}/table`)).toMatch(/links 0/);
    await vm.run("echo 1 > /sys/bus/pci/rescan");
    const device = await deviceIn(FIRST, "back", () => true);
    expect(device.link).toMatchObject({ state: "Insecure", tsm: "" });
  });

  it("leave nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
