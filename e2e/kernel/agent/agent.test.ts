// SPDX-License-Identifier: Apache-2.0
// The agent as it is shipped on a real kernel: the kernel's own /sys, SETUP and CLEAR by ioctl, and the TDX module's half simulated in the kernel.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { LOSE_UNITS, SIM, TABLE } from "../kit/simulator.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { COMMAND } from "./contents.ts";
import { onlyUnit, type VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const CLEARED = "cp /cleared.yaml /node.yaml.new && mv /node.yaml.new /node.yaml";
/** The driver, built for tests, answers as one built before CLEAR had not_after. */
const OLDER_DRIVER = "/sys/kernel/debug/tdx_iommu/version_1";
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-agent-"));

describe.skipIf(rung.skipReason !== null)("the agent on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  beforeAll(async () => {
    ({ vm, node } = await startAgentVm(rung, folder, { devices: behindPorts(["nvme,serial=a", "nvme,serial=b"]) }));
    await node.startKubelet();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("without the module trusts nothing, says why, and is not down", async () => {
    await node.startAgent();
    const status = await node.until("a status", (now) => now.units.length === 1);
    // Nobody answers for the unit, and its own ECAP, which QEMU makes, has no TDX Connect.
    expect(onlyUnit(status)).toMatchObject({ regBase: "0xfed90000", state: "Unsupported", reason: "TdxConnectMissing" });
    expect(status.devices.filter((device) => device.offered)).toEqual([]);
    expect(status.counts).toMatchObject({ unitsTrusted: 0, devicesOffered: 0 });
  });

  it("sets the unit up by ioctl as soon as the module is there, and says that it is simulated", async () => {
    await vm.run(LOAD_PROJECT);
    const status = await node.until("a trusted unit", (now) => now.units[0]?.state === "Trusted");
    expect(onlyUnit(status)).toMatchObject({ reason: "SetupSucceeded", tdxIommuId: expect.stringMatching(/^0x/) });
    expect(status.tdxModule.driver).toBe("tdx_iommu");
    expect(status.simulated).toBe(true);
    expect(await vm.run(TABLE)).toMatch(/unit 0xfed90000 phase 2 /);
  });

  it("shows the node and explains a device", async () => {
    const shown = await vm.run(`${COMMAND} status --status /run/status.json`);
    rung.progress(`trusted-iommu status, in the VM:\n${shown}`);
    expect(shown).toMatch(/SIMULATED/i);
    expect(shown).toMatch(/0xfed90000/);
    const address = (await vm.run("grep -l 0x010802 /sys/bus/pci/devices/*/class | head -n 1 | cut -d / -f 6")).trim();
    const explained = await vm.try(`${COMMAND} explain ${address} --manifest /node.yaml --status /run/status.json`);
    rung.progress(`trusted-iommu explain ${address}, in the VM:\n${explained.output}`);
    expect(explained.output).toMatch(/UnitNotTrusted/);
  });

  it("cannot lose the module while the unit is trusted", async () => {
    expect((await vm.try("rmmod tdx_connect_sim")).code).not.toBe(0);
    expect((await vm.try("rmmod tdx_iommu")).code).not.toBe(0);
    expect(onlyUnit(await node.status()).state).toBe("Trusted");
  });

  it("loses trust when the module's identity changes, and sets up again", async () => {
    const before = onlyUnit(await node.status());
    await vm.run(LOSE_UNITS);
    const after = await node.until("another id", (now) => now.units[0]?.state === "Trusted" && now.units[0].setupSeq !== before.setupSeq);
    expect(onlyUnit(after).pagesRetained).toBeGreaterThan(0);
    expect(after.conditions.find((one) => one.type === "Degraded")).toMatchObject({ status: "True", reason: "PagesRetained" });
  });

  it("closes the gate when nobody answers SEAMCALLs any more", async () => {
    await vm.run(`echo 1 > ${SIM}/detached`);
    await node.until("no trust", (now) => now.counts.unitsTrusted === 0);
    // As before the module came: only its own ECAP speaks for the unit.
    const status = await node.until("nobody who answers", (now) => now.units[0]?.state === "Unsupported");
    expect(onlyUnit(status)).toMatchObject({ tdxIommuId: "" });
    expect(status.simulated).toBe(true);
    await vm.run(`echo 0 > ${SIM}/detached`);
    await node.until("trust again", (now) => now.units[0]?.state === "Trusted");
  });

  it("asks no CLEAR of a driver that is too old to be told until when its look is good, and says what to load", async () => {
    const clears = async (): Promise<string> => /clear_calls \d+/.exec(await vm.run(TABLE))?.[0] ?? "";
    const before = await clears();
    await vm.run(`echo Y > ${OLDER_DRIVER} && ${CLEARED}`);
    const status = await node.until("an older driver", (now) => now.units[0]?.reason === "DriverTooOld");
    expect(onlyUnit(status)).toMatchObject({ state: "Trusted", message: expect.stringMatching(/^tdx_iommu of version 1 is loaded, 2 is needed/) });
    expect(status.conditions.find((one) => one.type === "Degraded")).toMatchObject({ status: "True", reason: "DriverTooOld" });
    expect(await clears()).toBe(before);
    await vm.run(`echo N > ${OLDER_DRIVER}`);
  });

  it("clears on request", async () => {
    await vm.run(CLEARED);
    const status = await node.until("a cleared unit", (now) => now.units[0]?.reason === "Cleared");
    expect(onlyUnit(status)).toMatchObject({ state: "Untrusted", tdxIommuId: "" });
    expect(await vm.run(TABLE)).toMatch(/pages_owned \d+\ncorrupted 0x0\n/);
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
