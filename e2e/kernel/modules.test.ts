// SPDX-License-Identifier: Apache-2.0
// The kernel modules on real kernels: built without a warning, loaded, driven through every call, unloaded, and nothing in the kernel's log.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Kernel } from "./kit/kernels.ts";
import { type BuiltModules, ensureModules, LOAD_PROJECT, UNLOAD_PROJECT } from "./kit/modules.ts";
import { buildSelftest } from "./kit/selftest.ts";
import { type Kit, kernelNamed, openKernelRung } from "./rung.ts";
import { behindPorts } from "./vm/qemu.ts";
import { startVm, type Vm } from "./vm/vm.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-kernel-"));
let kit: Kit;
let selftest: string;

beforeAll(async () => {
  if (rung.skipReason !== null) return;
  kit = await rung.kit();
  selftest = await buildSelftest(folder);
}, 3_600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(rung.skipReason !== null).each(["7.2", "6.1"])("Linux %s", (name) => {
  let kernel: Kernel;
  let built: BuiltModules;
  let vm: Vm;
  beforeAll(async () => {
    kernel = kernelNamed(kit, name);
    built = await ensureModules(kernel, rung.environment);
    vm = await startVm({ chroot: kit.chroot, kernel, contents: { ...built.contents, selftest }, devices: behindPorts(["nvme,serial=a"]) });
  }, 600_000);
  afterAll(() => vm?.stop());

  it("builds both modules without a warning", () => {
    expect(built.log).toMatch(/LD \[M\].*tdx_connect_sim\.ko/);
    expect(built.log).not.toMatch(/warning:|WARNING/);
  });

  it("is asked without a simulator and says that there is no VMX", async () => {
    await vm.run("insmod /tdx_iommu.ko");
    expect(await vm.run("dmesg | grep tdx_iommu:")).toMatch(/1 VT-d units; no VMX: SEAMCALL raised #UD/);
    expect(await vm.run("ls -l /dev/tdx_iommu")).toMatch(/^crw-------/);
    await vm.run("rmmod tdx_iommu");
  });

  it("loads the simulator only over the driver, says so, and taints", async () => {
    expect((await vm.try("insmod /tdx_connect_sim.ko")).code).not.toBe(0);
    await vm.run(LOAD_PROJECT);
    expect(await vm.run("dmesg")).toMatch(/SIMULATED TDX Connect: nothing on this machine is protected/);
    expect(Number(await vm.run("cat /proc/sys/kernel/tainted")) & 0x40).toBe(0x40);
    await vm.run(UNLOAD_PROJECT);
  });

  it("passes a sweep that fails each allocation and each SEAMCALL in turn", async () => {
    await vm.run(LOAD_PROJECT);
    const output = await vm.run("/selftest sweep", 300_000);
    rung.progress(`${kernel.release}: ${output.trim().split("\n").join("; ")}`);
    expect(output).toMatch(/^ok - fail_alloc: each of \d+ failed/m);
    expect(output).toMatch(/^ok - fail_seamcall: each of \d+ failed/m);
    await vm.run(UNLOAD_PROJECT);
  });

  it("passes the selftest", async () => {
    await vm.run(LOAD_PROJECT);
    const { code, output } = await vm.try("/selftest", 300_000);
    rung.progress(`${kernel.release}: ${output.trim().split("\n").at(-1) ?? ""}`);
    expect(output.split("\n").filter((line) => line.startsWith("not ok") || line.startsWith("# "))).toEqual([
      expect.stringMatching(/^# \d+ passed, 0 failed$/),
    ]);
    expect(code).toBe(0);
  });

  it("says how long a LIST takes", async () => {
    rung.progress(`${kernel.release}: ${(await vm.run("/selftest bench")).trim()}`);
  });

  it("cannot be unloaded while pages may be the TDX module's", async () => {
    expect((await vm.try("rmmod tdx_connect_sim")).output).toMatch(/unavailable|in use/);
    expect((await vm.try("rmmod tdx_iommu")).output).toMatch(/unavailable|in use/);
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
