// SPDX-License-Identifier: Apache-2.0
// Several units on a real kernel. QEMU makes one: more_units.ko shows two more, with register bases of their own, that tdx_iommu.ko does not know.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConditionType } from "../../../src/domain/reason.ts";
import type { DeviceStatus, NodeStatus, UnitStatus } from "../../../src/domain/status.ts";
import { ensureModules, LOAD_PROJECT, MORE_UNITS } from "../kit/modules.ts";
import { giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { COMMAND } from "./contents.ts";
import type { VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-units-"));
const NVME = "0000:01:00.0";
/** QEMU's, and those of more_units.c. */
const REAL = "0xfed90000";
const WITH_CONNECT = "0xfed91000";
const WITHOUT_CONNECT = "0xfed92000";
const sys = (file: string): string => `/sys/bus/pci/devices/${NVME}/${file}`;
const GIVE_TO_VFIO = giveToVfio(NVME);
const INSMOD = `insmod /more_units.ko behind=${NVME}`;
const UNLISTED = "the kernel lists it as dmar1, tdx_iommu does not";
const UNKNOWN_TO_THE_MODULE = { [WITH_CONNECT]: "Unknown NotListedByDriver", [WITHOUT_CONNECT]: "Unsupported TdxConnectMissing" };

describe.skipIf(rung.skipReason !== null)("units on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  const mean = (units: string): Promise<string> =>
    vm.run(`sed 's/units: .*/units: ${units}/' /trusted.yaml > /node.yaml.new && mv /node.yaml.new /node.yaml`);
  const untilUnits = (what: string, reasons: Readonly<Record<string, string>>): Promise<NodeStatus> =>
    node.until(what, ({ units }) => JSON.stringify(reasonsOf(units)) === JSON.stringify(reasons));
  const show = async (what: string, { conditions }: NodeStatus): Promise<void> => {
    const lines = conditions.map(({ type, status, reason, message }) => `  ${type} ${status} ${reason}: ${message}`);
    rung.progress(`${what}:\n${(await vm.try(`${COMMAND} status --status /run/status.json`)).output}\n${lines.join("\n")}`);
  };

  beforeAll(async () => {
    const kit = await rung.kit();
    const units = await ensureModules(kit.kernels[0], rung.environment, MORE_UNITS);
    expect(units.log).not.toMatch(/warning:|WARNING/);
    ({ vm, node } = await startAgentVm(rung, folder, { devices: behindPorts(["nvme,serial=a"]), vfio: true, contents: units.contents }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO} && ${GIVE_TO_VFIO}`);
    await vm.run(INSMOD);
    await node.startKubelet();
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are the kernel's own files, all three alike", async () => {
    expect(await vm.run("ls /sys/class/iommu")).toBe("dmar0\ndmar1\ndmar2\n");
    const files = (name: string): Promise<string> => vm.run(`ls /sys/class/iommu/${name}/intel-iommu`);
    for (const name of ["dmar1", "dmar2"]) expect(await files(name)).toBe(await files("dmar0"));
    const addresses = await vm.run("cat /sys/class/iommu/*/intel-iommu/address");
    expect(addresses.split("\n").slice(0, 3)).toEqual([REAL, WITH_CONNECT, WITHOUT_CONNECT].map((regBase) => regBase.slice(2)));
    expect(await vm.run(`cat ${sys("iommu/intel-iommu/address")}`)).toBe("fed91000\n");
  });

  it("trust nothing while only one is meant that the module does not list", async () => {
    await mean(`{regBases: ["${WITH_CONNECT}"]}`);
    await node.startAgent();
    const status = await untilUnits("verdicts", { [REAL]: "Untrusted NotSelected", ...UNKNOWN_TO_THE_MODULE });
    expect(status.counts).toMatchObject({ unitsSelected: 1, unitsTrusted: 0, devicesOffered: 0 });
    expect(condition(status, "UnitsTrusted")).toBe(`False SomeNotTrusted: ${WITH_CONNECT}: NotListedByDriver (${UNLISTED})`);
    expect(condition(status, "Ready")).toBe(`False UnitFailed: ${WITH_CONNECT}: NotListedByDriver (${UNLISTED})`);
    await show("only the unit that the module does not list is meant", status);
  });

  it("trust nothing while only one is meant that has no TDX Connect", async () => {
    await mean(`{regBases: ["${WITHOUT_CONNECT}"]}`);
    const status = await node.until("its conditions", (now) => condition(now, "Ready").includes(WITHOUT_CONNECT));
    expect(condition(status, "UnitsTrusted")).toMatch(new RegExp(`^False SomeNotTrusted: ${WITHOUT_CONNECT}: TdxConnectMissing \\(ecap 0x`));
    // The other one is nobody's concern.
    expect(condition(status, "Degraded")).toMatch(/^False NoProblem/);
    expect(await vm.run("cat /sys/kernel/debug/tdx_connect_sim/table")).toMatch(/setup_calls 0\n/);
    await show("only the unit without TDX Connect is meant", status);
  });

  it("are trusted only where the module answers for them, and nothing is offered behind the others", async () => {
    await mean("{all: true}");
    const status = await untilUnits("one trusted unit", { [REAL]: "Trusted SetupSucceeded", ...UNKNOWN_TO_THE_MODULE });
    expect(status.units.map((unit) => unit.kernelName)).toEqual(["dmar0", "dmar1", "dmar2"]);
    expect(status.counts).toMatchObject({ unitsSelected: 3, unitsTrusted: 1, devicesOffered: 0 });
    const withheld = await node.until("a verdict on the device", (now) => nvme(now).reason === "UnitNotTrusted");
    expect(nvme(withheld)).toMatchObject({ regBase: WITH_CONNECT, offered: false });
    expect((await node.offers()).at(-1)).toEqual([]);
    expect(condition(withheld, "UnitsTrusted")).toBe(`False SomeNotTrusted: ${WITH_CONNECT}: NotListedByDriver (${UNLISTED})`);
    expect(condition(withheld, "Degraded")).toBe(`True UnitFailed: ${WITH_CONNECT}: NotListedByDriver (${UNLISTED})`);
    await show("all units are meant, and one of three is trusted", withheld);
    rung.progress((await vm.try(`${COMMAND} explain ${NVME} --manifest /node.yaml --status /run/status.json`)).output);
  });

  it("are no concern of a node whose intent leaves them out", async () => {
    await mean(`{regBases: ["${REAL}"]}`);
    const status = await node.until("the device's unit not selected", (now) => nvme(now).reason === "UnitNotSelected");
    expect(condition(status, "UnitsTrusted")).toMatch(/^True AllTrusted: 1 of 1/);
    expect(condition(status, "Ready")).toMatch(/^True AsIntended/);
    await show("only the real unit is meant", status);
  });

  it("are missing when they go while the intent names them, and the device is offered where it is then", async () => {
    await mean(`{regBases: ["${REAL}", "${WITH_CONNECT}", "${WITHOUT_CONNECT}"]}`);
    await node.until("three units selected", (now) => now.counts.unitsSelected === 3);
    await vm.run("rmmod more_units");
    await untilUnits("two units missing", {
      [REAL]: "Trusted SetupSucceeded",
      [WITH_CONNECT]: "Unknown UnitMissing",
      [WITHOUT_CONNECT]: "Unknown UnitMissing",
    });
    expect(await node.untilOffered("the device", (ids) => ids.length > 0)).toEqual([NVME]);
    const status = await node.until("the device below the real unit", (now) => nvme(now).offered);
    expect(nvme(status)).toMatchObject({ regBase: REAL });
    const missing = `${WITH_CONNECT}: UnitMissing (neither the kernel nor tdx_iommu lists it; it was there before)`;
    expect(condition(status, "UnitsTrusted")).toBe(`False SomeNotTrusted: ${missing}; and 1 more`);
    expect(condition(status, "Degraded")).toBe(`True UnitFailed: ${missing}`);
    await show("all three are named, and two are gone", status);
  });

  it("that come again take nothing along but the device that is then behind them", async () => {
    await vm.run(INSMOD);
    expect(await node.untilOffered("nothing", (ids) => ids.length === 0)).toEqual([]);
    await untilUnits("three units again", { [REAL]: "Trusted SetupSucceeded", ...UNKNOWN_TO_THE_MODULE });
    expect(await vm.run("cat /sys/kernel/debug/tdx_connect_sim/table")).toMatch(/setup_calls 1\n/);
  });

  it("leave nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});

function reasonsOf(units: readonly UnitStatus[]): Record<string, string> {
  return Object.fromEntries(units.map((unit) => [unit.regBase, `${unit.state} ${unit.reason}`]));
}

function nvme({ devices }: NodeStatus): DeviceStatus {
  const device = devices.find((one) => one.address === NVME);
  if (device === undefined) throw new Error(`${NVME} is not among ${devices.map((one) => one.address).join(", ")}`);
  return device;
}

/** In one line, as a person reads it. */
function condition({ conditions }: NodeStatus, type: ConditionType): string {
  const found = conditions.find((one) => one.type === type);
  return `${found?.status} ${found?.reason}: ${found?.message}`;
}
