// SPDX-License-Identifier: Apache-2.0
// A machine that goes down with a unit in TDX mode: the next kernel would find a unit that it can't program, so it is cleared first.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ensureModules, LOAD_PROJECT } from "./kit/modules.ts";
import { buildSelftest } from "./kit/selftest.ts";
import { HOLD_SETUP, SIM } from "./kit/simulator.ts";
import { type Kit, kernelNamed, openKernelRung } from "./rung.ts";
import { goDown } from "./vm/reboot.ts";
import { startVm, type Vm } from "./vm/vm.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-power-"));
let kit: Kit;
let selftest: string;

beforeAll(async () => {
  if (rung.skipReason !== null) return;
  kit = await rung.kit();
  selftest = await buildSelftest(folder);
}, 3_600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(rung.skipReason !== null).each(["7.2", "6.1"])("Linux %s goes down", (name) => {
  let vm: Vm;

  const start = async (): Promise<void> => {
    const kernel = kernelNamed(kit, name);
    const built = await ensureModules(kernel, rung.environment);
    vm = await startVm({ chroot: kit.chroot, kernel, contents: { ...built.contents, selftest } });
    await vm.run(LOAD_PROJECT);
  };
  afterEach(() => vm.stop());

  it("and clears the unit first", async () => {
    await start();
    await vm.run("/selftest setup");
    const said = await goDown(vm);
    rung.progress(`${name}: ${/tdx_iommu: unit .*reboot/.exec(said)?.[0]}`);
    expect(said).toMatch(/tdx_iommu: unit 0xfed90000 is cleared for the reboot/);
  });

  it("and says so when the TDX module refuses", async () => {
    await start();
    await vm.run(`/selftest setup && echo leaf=clear unit=any status=0xc0000f0000000001 count=1000 > ${SIM}/fault`);
    expect(await goDown(vm)).toMatch(/tdx_iommu: unit 0xfed90000 may be in TDX mode over the reboot/);
  });

  it("and does not wait for a CLEAR that never ends", async () => {
    await start();
    await vm.run(`/selftest setup && echo leaf=clear unit=any status=0x8000000300000000 delay_ms=150 count=4000000000 > ${SIM}/fault`);
    expect(await goDown(vm)).toMatch(/tdx_iommu: unit 0xfed90000 may be in TDX mode over the reboot/);
  });

  it("and does not wait for a SETUP that never ends", async () => {
    await start();
    await vm.run(HOLD_SETUP);
    await vm.run("/selftest setup > /run/setup 2>&1 &");
    await vm.run(`for i in $(seq 100); do grep -q count=4000000000 ${SIM}/fault || exit 0; sleep 0.1; done; exit 1`);
    expect(await goDown(vm)).toMatch(/tdx_iommu: unit 0xfed90000 may be in TDX mode over the reboot/);
  });
});
