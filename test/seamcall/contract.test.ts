// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DriverUnit, RegBase } from "../../src/domain/unit.ts";
import { type OpenOptions, openSimulated, openTdxIommu } from "../../src/seamcall/drivers.ts";
import type { Deadline, SeamcallPort } from "../../src/seamcall/port.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import { loadFlavour } from "../native/flavours.ts";
import { regBaseAt, type StateDirectory, simulatedUnit, simulatedUnits, stateDirectory } from "../native/simulated-units.ts";

const A = regBaseAt(0);
const B = regBaseAt(1);
const UNIT_COUNT = 3;

const ways = [
  { name: "simulated", addon: loadFlavour("release"), open: openSimulated },
  { name: "ioctl, over a stand-in for the device node", addon: loadFlavour("shim"), open: openTdxIommu },
];

describe.each(ways)("the driver ($name)", ({ addon, open }) => {
  const simulation = simulationOf(addon);
  let state: StateDirectory;
  let opened: SeamcallPort[] = [];

  const openHere = async (options: OpenOptions = {}): Promise<SeamcallPort> => {
    const port = await open(state.dir, { addon, ...options });
    opened.push(port);
    return port;
  };
  const unitOf = async (port: SeamcallPort, regBase: RegBase): Promise<DriverUnit> => {
    const unit = (await port.list()).units.find((one) => one.regBase === regBase);
    if (unit === undefined) throw new Error(`no unit ${regBase}`);
    return unit;
  };
  const clearUnit = async (port: SeamcallPort, regBase: RegBase) => {
    const unit = await unitOf(port, regBase);
    return port.clear({ regBase, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq }, port.deadline(60_000));
  };

  beforeEach(() => {
    state = stateDirectory();
    opened = [];
    simulation.create(state.dir, { units: simulatedUnits(UNIT_COUNT), profile: "V2" });
  });
  afterEach(async () => {
    await Promise.all(opened.map((port) => port.close()));
    const truth = simulation.dump(state.dir);
    expect(truth.corruptedPage).toBeNull();
    expect(truth.freedTooEarly).toEqual([]);
    state.remove();
  });

  it("says who answers", async () => {
    const info = await (await openHere()).info();
    expect(info).toMatchObject({
      simulated: true,
      abiVersion: 2,
      honoursNotAfter: true,
      abiProfile: "V2",
      environment: "Ok",
      mtPageCount: 4,
      features0: 64n,
    });
    expect(info.module).toEqual({ version: "2.0.18", buildNum: 1094, buildDate: 20260401 });
    expect(info.instance).toMatch(/^[0-9a-f]{32}$/);
  });

  it("leads a unit from untrusted to trusted and back", async () => {
    const port = await openHere();
    expect((await port.list()).units.map((unit) => [unit.regBase, unit.state])).toEqual([0, 1, 2].map((n) => [regBaseAt(n), "Untrusted"]));

    const { outcome, unit } = await port.setup(A);
    expect(outcome).toBe("Done");
    expect(unit).toMatchObject({ state: "Trusted", tdxIommuId: 0n, setupSeq: 1n, numaNode: 0, pagesDonated: 8, pagesRetained: 0 });
    expect(unit.lastCall).toMatchObject({ leaf: "TDH.IOMMU.SETUP", status: 0n, attempts: 1 });
    expect(await unitOf(port, A)).toEqual(unit);

    expect((await port.setup(A)).outcome).toBe("Already");
    expect(simulation.dump(state.dir).calls["TDH.IOMMU.SETUP"]).toBe(1n);

    expect((await clearUnit(port, A)).outcome).toBe("Done");
    expect(await unitOf(port, A)).toMatchObject({ state: "Untrusted", tdxIommuId: null, pagesDonated: 0 });
    expect(simulation.dump(state.dir).pagesAllocated).toBe(0);
  });

  it("gives the same table object while nothing changes, and another one when something did", async () => {
    const port = await openHere();
    const first = await port.list();
    expect(await port.list()).toBe(first);
    await port.setup(A);
    const second = await port.list();
    expect(second.generation).toBeGreaterThan(first.generation);
    expect(second.units).not.toEqual(first.units);
  });

  it("answers LIST while a SETUP is with the module", async () => {
    const port = await openHere();
    simulation.addFault(state.dir, { regBase: A, delayMs: 60_000 });
    const setup = port.setup(A).then(
      () => "answered",
      () => "closed",
    );
    await expect.poll(async () => (await unitOf(port, A)).state).toBe("SettingUp");
    expect(await port.info()).toMatchObject({ pagesDonated: 8 });
    const second = port.setup(B).catch(() => "closed");
    expect((await unitOf(port, B)).state).toBe("Untrusted");
    await port.close();
    // The device node can't be interrupted: its operation ends with the descriptor, when the delay does.
    expect(await setup).toBe("closed");
    expect(await second).toBe("closed");
  });

  it("brings every status up raw, and resumes below", async () => {
    const port = await openHere();
    simulation.addFault(state.dir, { leaf: "TDH.IOMMU.SETUP", status: 0x8000_0003_0000_0000n, count: 5 });
    simulation.addFault(state.dir, { leaf: "TDH.IOMMU.SETUP", status: 0x8000_0f51_0000_0000n });
    expect(await port.setup(A)).toMatchObject({
      outcome: "Retry",
      unit: { state: "Failed", retryable: true, pagesDonated: 0, pagesRetained: 8, lastCall: { status: 0x8000_0f51_0000_0000n, attempts: 6 } },
    });
    expect(await port.setup(A)).toMatchObject({ outcome: "Done", unit: { pagesDonated: 8, pagesRetained: 0 } });

    simulation.addFault(state.dir, { leaf: "TDH.IOMMU.CLEAR", status: 0x8000_0200_0000_0001n });
    expect(await clearUnit(port, A)).toMatchObject({ outcome: "Retry", unit: { state: "Failed", tdxIommuId: 0n, pagesDonated: 8 } });
    expect(await clearUnit(port, A)).toMatchObject({ outcome: "Done" });

    simulation.addFault(state.dir, { regBase: B, status: 0xc000_0100_0000_0001n });
    expect(await port.setup(B)).toMatchObject({ outcome: "Unsupported", unit: { state: "Unsupported" } });
  });

  it("issues no CLEAR whose turn comes too late, and leaves the unit as it was", async () => {
    const port = await openHere();
    const { unit } = await port.setup(A);
    const target = { regBase: A, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq };
    simulation.addFault(state.dir, { regBase: B, delayMs: 300 });
    const ahead = port.setup(B);
    await expect(port.clear(target, port.deadline(100))).rejects.toMatchObject({ code: "TOO_LATE", details: { errno: "ETIME", command: "CLEAR" } });
    expect((await ahead).outcome).toBe("Done");
    expect(await unitOf(port, A)).toEqual(unit);
    expect(simulation.dump(state.dir).calls["TDH.IOMMU.CLEAR"]).toBe(0n);
    expect((await port.clear(target, port.deadline(60_000))).outcome).toBe("Done");
  });

  it("ends a CLEAR that has begun in time, however often it must be resumed", async () => {
    const port = await openHere();
    const { unit } = await port.setup(A);
    simulation.addFault(state.dir, { leaf: "TDH.IOMMU.CLEAR", status: 0x8000_0003_0000_0000n, delayMs: 20, count: 10 });
    const target = { regBase: A, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq };
    expect(await port.clear(target, port.deadline(100))).toMatchObject({ outcome: "Done", unit: { lastCall: { attempts: 11 } } });
  });

  it("takes no CLEAR without a deadline", async () => {
    const port = await openHere();
    const { unit } = await port.setup(A);
    const target = { regBase: A, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq };
    await expect(port.clear(target, 0n as Deadline)).rejects.toMatchObject({ code: "DRIVER_FAILED" });
    expect((await unitOf(port, A)).state).toBe("Trusted");
  });

  it("is refused by secured links, as long as they are secured", async () => {
    const port = await openHere();
    const link = { regBase: A, address: "0000:17:00.0" };
    simulation.setLink(state.dir, link, true);
    expect(simulation.dump(state.dir).units[0]?.securedLinks).toEqual(["0000:17:00.0"]);
    expect(await port.setup(A)).toMatchObject({ outcome: "Failed", unit: { lastCall: { status: 0xc000_0f04_0000_0008n } } });
    simulation.setLink(state.dir, link, false);
    expect(await port.setup(A)).toMatchObject({ outcome: "Done" });
    simulation.setLink(state.dir, link, true);
    expect(await clearUnit(port, A)).toMatchObject({ outcome: "Failed", unit: { lastCall: { status: 0xc000_0f00_0000_0001n }, tdxIommuId: 0n } });
  });

  it("rejects with one code for each errno", async () => {
    const port = await openHere();
    await expect(port.setup("0x1000")).rejects.toMatchObject({ code: "UNKNOWN_UNIT", details: { errno: "ENOENT", command: "SETUP" } });
    await expect(port.clear({ regBase: A, tdxIommuId: 0n, setupSeq: 0n }, port.deadline(60_000))).rejects.toMatchObject({ code: "STALE_ID" });
    await expect(port.clear({ regBase: A, tdxIommuId: -1n, setupSeq: 0n }, port.deadline(60_000))).rejects.toMatchObject({ code: "DRIVER_FAILED" });
    await expect(openHere()).rejects.toMatchObject({ code: "WRITER_BUSY" });
    const reader = await openHere({ writable: false });
    expect((await reader.list()).units).toHaveLength(UNIT_COUNT);
    await expect(reader.setup(A)).rejects.toMatchObject({ code: "DRIVER_FAILED", details: { errno: "EBADF" } });
    await expect(open(`${state.dir}/absent`, { addon })).rejects.toMatchObject({ code: "DRIVER_MISSING" });
    const node = `${state.dir}/dev/tdx_iommu`;
    await expect(openTdxIommu(node, { addon })).rejects.toMatchObject({
      code: "DRIVER_MISSING",
      message: `${node} is not there: load the kernel module tdx_iommu`,
    });
  });

  it("turns trusted into unknown when the module can't be called, and says why", async () => {
    const port = await openHere();
    await port.setup(A);
    simulation.moduleGone(state.dir, "VmFailInvalid");
    expect(await unitOf(port, A)).toMatchObject({ state: "Unknown", tdxIommuId: 0n });
    expect(await port.info()).toMatchObject({ environment: "VmFailInvalid", module: null, features0: null, mtPageCount: null });
    await expect(port.setup(B)).rejects.toMatchObject({ code: "NO_TDX_MODULE" });

    simulation.moduleBack(state.dir, { lost: true });
    expect(await unitOf(port, A)).toMatchObject({ state: "Unknown", tdxIommuId: null, pagesRetained: 8 });
    expect(await port.setup(A)).toMatchObject({ outcome: "Done", unit: { state: "Trusted", setupSeq: 2n } });
  });

  it("starts anew after a boot of the host", async () => {
    const port = await openHere();
    await port.setup(A);
    const before = await port.list();
    simulation.reboot(state.dir);
    const after = await port.list();
    expect(after.instance).not.toBe(before.instance);
    expect(after.units.every((unit) => unit.state === "Untrusted" && unit.tdxIommuId === null && unit.lastCall === null)).toBe(true);
    expect((await port.setup(A)).unit).toMatchObject({ tdxIommuId: 0n, setupSeq: 2n });
  });

  it("loses a unit that is taken away, and has it again untrusted", async () => {
    const port = await openHere();
    await port.setup(A);
    simulation.removeUnit(state.dir, A);
    expect((await port.list()).units.map((unit) => unit.regBase)).toEqual([B, regBaseAt(2)]);
    await expect(port.setup(A)).rejects.toMatchObject({ code: "UNKNOWN_UNIT" });
    simulation.restoreUnit(state.dir, A);
    expect(await unitOf(port, A)).toMatchObject({ state: "Untrusted", tdxIommuId: null, pagesRetained: 8 });
    expect((await port.setup(A)).outcome).toBe("Done");
  });

  it("never touches a foreign unit, nor calls for one without the capability", async () => {
    simulation.create(state.dir, { units: [simulatedUnit(0, { foreign: true }), simulatedUnit(1, { ecap: 0n, numaNode: null })] });
    const port = await openHere();
    expect((await port.list()).units.map((unit) => unit.state)).toEqual(["Foreign", "Unsupported"]);
    expect((await port.setup(A)).outcome).toBe("Failed");
    expect(await port.setup(B)).toMatchObject({ outcome: "Unsupported", unit: { numaNode: null } });
    expect(simulation.dump(state.dir).calls).toEqual({ "TDH.IOMMU.SETUP": 0n, "TDH.IOMMU.CLEAR": 0n });
  });

  it("wakes its listener for what others do", async () => {
    const port = await openHere();
    const reader = await openHere({ writable: false });
    await reader.list();
    let woken = 0;
    const stop = reader.onChange(() => {
      woken++;
    });
    await port.setup(A);
    await expect.poll(() => woken).toBeGreaterThan(0);
    await expect.poll(async () => (await unitOf(reader, A)).state).toBe("Trusted");
    const before = woken;
    simulation.moduleGone(state.dir, "Ud");
    await expect.poll(() => woken).toBeGreaterThan(before);
    expect((await unitOf(reader, A)).state).toBe("Unknown");
    stop();
  });

  it("closes as often as asked, and rejects afterwards", async () => {
    const port = await openHere();
    await port.setup(A);
    port.onChange(() => undefined);
    const listing = port.list().catch((error: unknown) => error);
    await Promise.all([port.close(), port.close()]);
    await port.close();
    expect(await listing).toMatchObject({ code: "DRIVER_CLOSED" });
    await expect(port.list()).rejects.toMatchObject({ code: "DRIVER_CLOSED" });
    await expect(port.setup(A)).rejects.toMatchObject({ code: "DRIVER_CLOSED" });
    const again = await openHere();
    expect((await again.setup(A)).outcome).toBe("Already");
  });

  it("has given back the right to write when it says that it is closed", async () => {
    for (let n = 0; n < 200; n++) {
      const port = await openHere();
      await port.setup(A);
      await port.close();
    }
  });

  it("holds hundreds of units", async () => {
    simulation.create(state.dir, { units: simulatedUnits(300) });
    const port = await openHere();
    expect((await port.list()).units).toHaveLength(300);
    expect((await port.setup(regBaseAt(299))).outcome).toBe("Done");
  });
});

describe("a driver of version 1, which knows no deadline", () => {
  it("says so, and a CLEAR with one is refused before anything happens", async () => {
    const addon = loadFlavour("shim");
    const state = stateDirectory();
    simulationOf(addon).create(state.dir, { units: simulatedUnits(1) });
    vi.stubEnv("TDX_IOMMU_SHIM_VERSION_1", "1");
    const port = await openTdxIommu(state.dir, { addon });
    expect(await port.info()).toMatchObject({ abiVersion: 1, honoursNotAfter: false });
    const { unit } = await port.setup(A);
    const target = { regBase: A, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq };
    await expect(port.clear(target, port.deadline(60_000))).rejects.toMatchObject({ code: "DRIVER_TOO_OLD", details: { errno: "E2BIG" } });
    expect((await port.list()).units).toEqual([unit]);
    await port.close();
    vi.unstubAllEnvs();
    state.remove();
  });
});
