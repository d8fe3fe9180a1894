// SPDX-License-Identifier: Apache-2.0
// The kernel modules under the kernel's own detectors: everything that can be done with them, and nothing to report.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect, disconnect, sys } from "../kit/device.ts";
import { ensureModules, LOAD_PROJECT, UNLOAD_PROJECT } from "../kit/modules.ts";
import { buildSelftest } from "../kit/selftest.ts";
import { SIM, TABLE } from "../kit/simulator.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import { goDown } from "../vm/reboot.ts";
import { startVm, type Vm } from "../vm/vm.ts";
import { ensureDebugKernel } from "./debug-kernel.ts";
import { forgetLeaks, LOAD_PLANTED, leaks, PLANTED, pagesOf, reports, reportsIn, SLOW_MS } from "./detectors.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-debug-"));
const FIRST = "0000:01:00.0";
const SECOND = "0000:02:00.0";
const DEVICES = behindPorts(["nvme,serial=a,id=first", "e1000e,romfile=,id=second"]);
const readFiles = (address: string): string => `cat ${sys(address, "tsm/*")} ${sys(address, "authenticated")} > /dev/null 2>&1; true`;
const BEFORE_SETUP = `echo Y > ${SIM}/link_before_setup`;
/** What the driver takes for the TDX module. */
const ALLOCATOR = "pages_alloc";

describe("the modules under lockdep, KASAN and kmemleak", () => {
  let vm: Vm;
  let isUp = true;
  const isGone = (address: string): string => `for i in $(seq 300); do [ -e ${sys(address, "vendor")} ] || exit 0; sleep 0.1; done; exit 1`;

  beforeAll(async () => {
    const { chroot, kernels } = await rung.kit();
    const kernel = await ensureDebugKernel({ chroot, like: kernels[0], environment: rung.environment, progress: rung.progress });
    const built = await ensureModules(kernel, rung.environment);
    expect(built.log).not.toMatch(/warning:|WARNING/);
    const contents = {
      ...built.contents,
      ...(await ensureModules(kernel, rung.environment, PLANTED)).contents,
      selftest: await buildSelftest(folder),
    };
    vm = await startVm({ chroot, kernel, contents, devices: DEVICES });
    rung.progress(`${kernel.release} is up`);
    await forgetLeaks(vm);
  });
  // A part that failed leaves them loaded; after the selftest they are pinned, and stay.
  beforeEach(() => vm.try("rmmod tdx_connect_sim; rmmod tdx_iommu"));
  // Where it happened, not only that it did.
  afterEach(async () => {
    if (isUp) expect(await reports(vm)).toEqual([]);
  });
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are loaded and unloaded", async () => {
    await vm.run(`for i in $(seq 20); do ${LOAD_PROJECT} && /selftest setup-and-clear && ${UNLOAD_PROJECT} || exit 1; done`, SLOW_MS);
  });

  it("pass a sweep that fails each allocation and each SEAMCALL in turn, and keep no page", async () => {
    await vm.run(LOAD_PROJECT);
    const output = await vm.run("/selftest sweep", SLOW_MS);
    rung.progress(output.trim().split("\n").join("; "));
    expect(output.match(/^ok - \w+: each of \d+ failed/gm)).toHaveLength(3);
    expect(await pagesOf(vm, ALLOCATOR)).toEqual([]);
    await vm.run(UNLOAD_PROJECT);
  });

  it("secure and release links, through resets and lost streams", async () => {
    await vm.run(`${LOAD_PROJECT} && ${BEFORE_SETUP}`);
    for (const address of [FIRST, SECOND]) {
      await vm.run(`echo 1 > ${SIM}/link_auth_fails`);
      expect((await vm.try(connect(address))).code).not.toBe(0);
      await vm.run(`${connect(address)} && ${readFiles(address)}`);
      await vm.run(`echo 1 > ${sys(address, "reset")} && ${disconnect(address)} && ${connect(address)}`);
      await vm.run(`echo ${address} > ${SIM}/stream_lost && ${readFiles(address)} && ${disconnect(address)}`);
      await vm.run(`for i in $(seq 10); do ${connect(address)} && ${disconnect(address)} || exit 1; done`);
    }
    await vm.run(UNLOAD_PROJECT);
  });

  it("let secured devices go: removed, pulled out, and with the module", async () => {
    await vm.run(`${LOAD_PROJECT} && ${BEFORE_SETUP}`);
    await vm.run(`${connect(FIRST)} && echo 1 > ${sys(FIRST, "remove")} && echo 1 > /sys/bus/pci/rescan`);
    await vm.run(`${connect(FIRST)} && ${connect(SECOND)}`);
    await vm.qmp("device_del", { id: "second" });
    await vm.run(isGone(SECOND));
    expect(await vm.run(TABLE)).toMatch(/links 1$/m);
    await vm.run(UNLOAD_PROJECT);
  });

  it("pose as the driver of a kernel that owns TDX Connect", async () => {
    const look = "cat /sys/class/iommu/dmar0/intel-iommu/* /sys/devices/faux/tdx_host/version > /dev/null";
    const cycle = `insmod /tdx_connect_sim.ko pose=tdx_host && ${look} && ${connect(FIRST)} && ${disconnect(FIRST)} && rmmod tdx_connect_sim`;
    await vm.run(`for i in $(seq 5); do ${cycle} || exit 1; done`, SLOW_MS);
  });

  it("pass the selftest", async () => {
    await vm.run(LOAD_PROJECT);
    const { output } = await vm.try("/selftest", SLOW_MS);
    rung.progress(output.trim().split("\n").at(-1) ?? "");
    expect(output.split("\n").filter((line) => line.startsWith("not ok") || line.startsWith("# "))).toEqual([
      expect.stringMatching(/^# \d+ passed, 0 failed$/),
    ]);
    // It ends with pages that are the TDX module's for good: the sweep's would have been seen.
    expect(await pagesOf(vm, ALLOCATOR)).not.toEqual([]);
  });

  it("have leaked nothing", async () => {
    await vm.run(LOAD_PLANTED);
    expect(await leaks(vm)).toEqual([]);
  });

  it("go down with the machine, and clear the unit first", async () => {
    await vm.run("/selftest setup");
    isUp = false;
    const said = await goDown(vm, SLOW_MS);
    expect(said).toMatch(/tdx_iommu: unit 0xfed90000 is cleared for the reboot/);
    expect(reportsIn(said)).toEqual([]);
  });
});
