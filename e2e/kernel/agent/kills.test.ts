// SPDX-License-Identifier: Apache-2.0
// The agent killed with -9 at any moment on a real kernel, before, in and after SETUP: ids are the kernel's, and a device is never offered without
// trust, whoever of the agent's lives looks at it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { HOLD_SETUP, LET_SETUP_GO_ON, LOSE_UNITS, TABLE } from "../kit/simulator.ts";
import { giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { onlyUnit, type VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-kills-"));
const NVME = "0000:01:00.0";
const KILLS = 50;
/** Of each ten lives, so many pass while SETUP is under way and does not come to its end. */
const HELD = 4;

describe.skipIf(rung.skipReason !== null)("the agent, killed at any moment on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  beforeAll(async () => {
    ({ vm, node } = await startAgentVm(rung, folder, { devices: behindPorts(["nvme,serial=a"]), vfio: true }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO}`);
    await vm.run(giveToVfio(NVME));
    await node.startKubelet();
    await node.startAgent();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const killAndStart = async (): Promise<void> => {
    await vm.run("kill -9 $(cat /run/agent.pid)");
    await node.startAgent();
    await vm.run(`sleep ${(Math.random() * 2).toFixed(2)}`);
  };
  it("adopts the unit each time, and the device comes back", async () => {
    await node.untilOffered("the device", (ids) => ids.includes(NVME));
    const before = onlyUnit(await node.status());
    for (let life = 0; life < 10; life += 1) await killAndStart();
    const after = await node.until("the unit as it was", (now) => now.units[0]?.state === "Trusted");
    expect(onlyUnit(after)).toMatchObject({ tdxIommuId: before.tdxIommuId, setupSeq: before.setupSeq });
    expect(await vm.run(TABLE)).toMatch(/setup_calls 1\n/);
    await node.untilOffered("the device", (ids) => ids.includes(NVME));
  });

  it("offers nothing while SETUP is under way, and has every id when it is over", async () => {
    for (let kills = 10; kills < KILLS; kills += 10) {
      await vm.run(HOLD_SETUP);
      await vm.run(LOSE_UNITS);
      await node.untilOffered("nothing", (ids) => ids.length === 0);
      const { length: withdrawn } = await node.offers();
      for (let life = 0; life < HELD; life += 1) await killAndStart();
      const held = await node.until("SETUP under way", (now) => now.units[0]?.state === "SettingUp");
      expect(held.devices.filter((one) => one.offered)).toEqual([]);
      expect((await node.offers()).slice(withdrawn).flat()).toEqual([]);
      await vm.run(LET_SETUP_GO_ON);
      for (let life = HELD; life < 10; life += 1) await killAndStart();
      const { tdxIommuId } = onlyUnit(await node.until("trust", (now) => now.units[0]?.state === "Trusted"));
      expect(await vm.run(TABLE)).toContain(`unit 0xfed90000 phase 2 id ${tdxIommuId} `);
      expect(await node.untilOffered("the device", (ids) => ids.length > 0)).toEqual([NVME]);
      rung.progress(`${kills + 10} kills: the unit has id ${tdxIommuId}, its device is offered`);
    }
    expect(await vm.run(TABLE)).toMatch(/corrupted 0x0\n/);
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
