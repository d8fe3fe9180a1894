// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { indexed, inSlot } from "../../../src/domain/ground.ts";
import type { FunctionInSlot } from "../../../src/domain/slot.ts";
import type { HostPort } from "../../../src/host/port.ts";
import { createHostReader } from "../../../src/host/reader.ts";
import { createSimulatedHost, openSimulatedHost } from "../../../src/stand-in/host/create.ts";
import { loadHostDescription } from "../../../src/stand-in/host/load-description.ts";
import type { SimulatedHost } from "../../../src/stand-in/host/simulated-host.ts";
import { shippedHost } from "../../support/captured.ts";
import { createRecordingControl, type RecordingControl } from "../../support/recording-control.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";

const DESCRIPTION = loadHostDescription(shippedHost("tdx-connect-2s"));
const GPU = "0000:38:00.0";
const GPU_AUDIO = "0000:38:00.1";
const NIC = "0000:27:00.0";
const PHYSICAL = "0000:16:00.0";
const VIRTUAL = "0000:16:04.2";
const ROOT_PORT = "0000:15:01.0";
const PORT_BLOCKS = 4;
const GPU_UNIT = "0xc97fc000";

let scratch: Scratch;
let control: RecordingControl;
let host: SimulatedHost;
let reader: HostPort;

beforeEach(() => {
  scratch = createScratch();
  control = createRecordingControl();
  host = create();
  reader = createHostReader({ root: host.hostRoot });
});
afterEach(() => scratch.remove());

/** Without the listed functions, which change nothing here and take time to write. */
function create(directory = "sim"): SimulatedHost {
  const functions = DESCRIPTION.functions.filter((one) => /^dmar(0|10|11|12|20)$/.test(one.unit ?? ""));
  return createSimulatedHost(join(scratch.path, directory), { description: { ...DESCRIPTION, functions }, control });
}

async function read(address: string): Promise<FunctionInSlot | null> {
  const found = inSlot(indexed({ kind: "Read", value: await reader.observe() }), address);
  expect(await reader.observeFunction(address)).toEqual(found);
  return found;
}

async function states(...addresses: string[]): Promise<unknown[]> {
  const seen = indexed({ kind: "Read", value: await reader.observe() });
  return addresses.map((address) => inSlot(seen, address)?.slot.link.state ?? "absent");
}

describe("a link", () => {
  it("secured from outside is seen on its whole slot, and only there, until it is released", async () => {
    expect(await states(GPU, GPU_AUDIO, PHYSICAL)).toEqual(["Insecure", "Insecure", "Insecure"]);
    host.secureLink(GPU);
    host.secureLink(GPU);
    expect(await states(GPU, GPU_AUDIO, PHYSICAL)).toEqual(["Secure", "Secure", "Insecure"]);
    expect(await read(GPU_AUDIO)).toMatchObject({
      slot: { dsm: GPU, link: { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } },
      fn: { bound: "No" },
    });
    host.releaseLink(GPU);
    expect(await states(GPU, GPU_AUDIO)).toEqual(["Insecure", "Insecure"]);
    expect(control.calls.filter((call) => call.startsWith("setLink"))).toEqual([
      `setLink ${GPU_UNIT} ${GPU} true`,
      `setLink ${GPU_UNIT} ${GPU} false`,
    ]);
  });

  it("of a physical function secures its virtual ones; a TDI is bound one by one", async () => {
    host.secureLink(PHYSICAL);
    host.bindTdi(VIRTUAL);
    expect(await read(VIRTUAL)).toMatchObject({ slot: { link: { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } }, fn: { bound: "Yes" } });
    expect((await read("0000:16:04.1"))?.fn.bound).toBe("No");
    host.unbindTdi(VIRTUAL);
    expect((await read(VIRTUAL))?.fn.bound).toBe("No");
  });

  it("covers function 0 and the virtual functions that were there when it was secured, and nothing while one end is off", async () => {
    const last = "0000:16:04.3";
    const covers = async () => (await read(PHYSICAL))?.slot.covers;
    host.unplug(last);
    host.secureLink(PHYSICAL);
    host.replug(last);
    expect(await covers()).toEqual([{ first: 0x1600, last: 0x1622 }]);
    host.releaseLink(PHYSICAL);
    host.secureLink(PHYSICAL);
    expect(await covers()).toEqual([{ first: 0x1600, last: 0x1623 }]);
    host.resetFunction(PHYSICAL);
    expect(await covers()).toEqual([]);
    expect(await states("0000:15:01.0")).toEqual(["Secure"]);
    host.releaseLink(PHYSICAL);
    expect(await states("0000:15:01.0", PHYSICAL)).toEqual(["Insecure", "Insecure"]);
  });

  it("after a function-level reset has a TSM and no stream", async () => {
    host.secureLink(GPU);
    host.resetFunction(GPU);
    expect((await read(GPU))?.slot.link).toEqual({ state: "Secure", tsm: "tsm0", streamSecure: "No" });
  });

  it("loses the near end of its stream by a function-level reset of function 0, and nothing by one of another function", async () => {
    host.secureLink(PHYSICAL);
    expect(host.flr(VIRTUAL)).toBe(false);
    expect((await read(PHYSICAL))?.slot.link).toEqual({ state: "Secure", tsm: "tsm0", streamSecure: "Yes" });
    expect(host.flr(PHYSICAL)).toBe(true);
    expect(await read(PHYSICAL)).toMatchObject({
      slot: { link: { state: "Secure", tsm: "tsm0", streamSecure: "No" }, blocksLeft: { endpoint: 1, rootPort: PORT_BLOCKS - 1 } },
    });
    expect(host.flr(PHYSICAL)).toBe(false);
    expect(() => host.flr(ROOT_PORT)).toThrow(/is a bridge, which has no function-level reset/);
  });

  it("takes a stream of its host bridge and gives it back, and is refused when none is left", async () => {
    const left = async (address: string) => (await read(address))?.slot.streamsLeft;
    expect(await left(GPU)).toBeNull();
    expect(() => host.setStreams(null, 1)).toThrow(/--host-bridge is \(missing\): this host has several, write one of .*pci0000:15/);
    expect(() => host.setStreams("pci0000:99", 1)).toThrow(/--host-bridge is "pci0000:99": write one of/);
    host.setStreams("pci0000:37", 1);
    expect([await left(GPU), await left(PHYSICAL)]).toEqual([1, null]);
    expect(host.writeLink(GPU, "tsm0", true)).toBeNull();
    expect(await left(GPU)).toBe(0);
    host.setStreams("pci0000:15", 0);
    expect(host.writeLink(PHYSICAL, "tsm0", true)).toBe("ENOMEM");
    expect(() => host.secureLink(PHYSICAL)).toThrow(/no IDE stream is left at pci0000:15/);
    expect(host.writeLink(GPU, "tsm0", false)).toBeNull();
    host.reboot();
    expect([await left(GPU), await left(PHYSICAL)]).toEqual([1, 0]);
    host.clearFaults();
    expect([await left(GPU), await left(PHYSICAL)]).toEqual([null, null]);
  });

  it("does not cover virtual functions that are made after it, and they go and come as counted", async () => {
    const present = async () => (await reader.observe()).functions.filter(({ physicalFunction }) => physicalFunction === PHYSICAL).length;
    const before = await reader.observe();
    host.setVirtual(PHYSICAL, 1);
    expect(await present()).toBe(1);
    host.secureLink(PHYSICAL);
    const covers = (await read(PHYSICAL))?.slot.covers;
    host.setVirtual(PHYSICAL, 3);
    expect(await present()).toBe(3);
    expect((await read(PHYSICAL))?.slot.covers).toEqual(covers);
    host.releaseLink(PHYSICAL);
    host.setVirtual(PHYSICAL, before.functions.filter(({ physicalFunction }) => physicalFunction === PHYSICAL).length);
    expect(await reader.observe()).toEqual(before);
    expect(() => host.setVirtual(PHYSICAL, 65)).toThrow(/--count is 65: 0000:16:00.0 has \d+ virtual functions at most/);
    expect(() => host.setVirtual(GPU_AUDIO, 1)).toThrow(/has no virtual functions/);
    host.hold(VIRTUAL);
    expect(() => host.setVirtual(PHYSICAL, 0)).toThrow(/held open by process/);
  });

  it("that the TDX module refuses to secure leaves the files as they were", async () => {
    control.failNext(new Error("refused"));
    expect(() => host.secureLink(GPU)).toThrow("refused");
    expect(await states(GPU)).toEqual(["Insecure"]);
  });

  it("cannot be secured on a function that has none", () => {
    expect(() => host.secureLink(GPU_AUDIO)).toThrow(/has no link of its own/);
    expect(() => host.secureLink("0000:00:1f.7")).toThrow(/no function/);
  });
});

describe("a function", () => {
  it("unplugged takes its virtual functions and what is below it along, and all come back", async () => {
    const before = await reader.observe();
    host.unplug(ROOT_PORT);
    host.unplug(ROOT_PORT);
    expect(await states(ROOT_PORT, PHYSICAL, VIRTUAL)).toEqual(["absent", "absent", "absent"]);
    expect(() => host.replug(VIRTUAL)).toThrow(/replug that first/);
    host.replug(ROOT_PORT);
    host.replug(ROOT_PORT);
    expect(await reader.observe()).toEqual(before);
  });

  it("unplugged alone leaves the others", async () => {
    host.unplug(VIRTUAL);
    expect(await read(VIRTUAL)).toBeNull();
    expect(await read(PHYSICAL)).toMatchObject({ fn: { teeIo: "Yes" } });
    host.replug(VIRTUAL);
    expect(await read(VIRTUAL)).toMatchObject({ fn: { teeIo: "Yes", functionType: "Virtual" } });
  });

  it("is bound, unbound and bound again, and keeps its vfio number", async () => {
    const before = await read(GPU);
    expect(before?.fn.vfioCdev).toMatch(/^\/dev\/vfio\/devices\/vfio\d+$/);
    host.unbind(GPU);
    expect(await read(GPU)).toMatchObject({ fn: { driver: null, vfioCdev: null } });
    host.bind(GPU, "vfio-pci");
    expect(await read(GPU)).toEqual(before);
    expect(await read(NIC)).toMatchObject({ fn: { driver: "mlx5_core", vfioCdev: null } });
    host.bind(NIC, "vfio-pci");
    expect((await read(NIC))?.fn.vfioCdev).toMatch(/vfio\d+$/);
  });

  it("held open shows the holder, and no other driver is bound meanwhile", async () => {
    const first = host.hold(GPU);
    const second = host.hold(GPU);
    expect((await read(GPU))?.fn.holders).toEqual({ kind: "Known", pids: [first, second] });
    expect((await read(PHYSICAL))?.fn.holders).toEqual({ kind: "Known", pids: [] });
    expect(() => host.bind(GPU, "nvidia")).toThrow(/held open by process/);
    host.unhold(GPU);
    expect((await read(GPU))?.fn.holders).toEqual({ kind: "Known", pids: [] });
    expect(() => host.hold(NIC)).toThrow(/not bound to a vfio driver/);
  });

  it("unbound while it is held open is held until it is let go", async () => {
    const pid = host.hold(GPU);
    const name = (await read(GPU))?.fn.vfioCdev?.split("/").at(-1);
    host.unbind(GPU);
    expect((await read(GPU))?.fn).toMatchObject({
      driver: null,
      vfioCdev: null,
      holders: { kind: "Unreadable", why: `pid ${pid} holds ${name}, which no function has` },
    });
    expect((await read(NIC))?.fn.holders).toEqual({ kind: "Known", pids: [] });
    expect(() => host.bind(GPU, "vfio-pci")).toThrow(/held open by process/);
    host.unhold(GPU);
    expect((await read(GPU))?.fn.holders).toEqual({ kind: "Known", pids: [] });
  });
});

describe("a unit", () => {
  it("lost and found again is read so, with its functions", async () => {
    const before = await reader.observe();
    host.loseUnit(GPU_UNIT);
    const without = await reader.observe();
    expect(without.units.some((unit) => unit.regBase === GPU_UNIT)).toBe(false);
    expect((await read(GPU))?.fn.unit).toMatchObject({ kind: "Unreadable" });
    host.findUnit(GPU_UNIT);
    expect(await reader.observe()).toEqual(before);
    expect(control.calls.slice(1)).toEqual([`removeUnit ${GPU_UNIT}`, `restoreUnit ${GPU_UNIT}`]);
  });
});

describe("a reboot", () => {
  it("gives a new boot id, no holders, insecure links, the described drivers and a fresh module", async () => {
    const before = await reader.observe();
    host.secureLink(GPU);
    host.hold(GPU);
    host.unbind(PHYSICAL);
    const bootId = host.reboot();
    const after = await reader.observe();
    expect(bootId).not.toBe(before.bootId);
    expect(after).toEqual({ ...before, bootId });
    expect(control.calls.at(-1)).toBe("reboot");
  });
});

describe("a change", () => {
  it("wakes whoever watches", async () => {
    const changed = new Promise<void>((resolve) => {
      const stop = reader.onChange(() => {
        stop();
        resolve();
      });
    });
    host.secureLink(GPU);
    await changed;
  });

  it("is made by another opener of the same directory just as well, and leaves nothing aside", async () => {
    const other = openSimulatedHost(host.directory, { control });
    other.unplug(GPU);
    host.secureLink(PHYSICAL);
    expect(await states(GPU, PHYSICAL)).toEqual(["absent", "Secure"]);
    expect(readdirSync(join(host.directory, "scratch"))).toEqual([]);
  });
});

describe("a directory", () => {
  it("that is a simulated host is made anew, as described", async () => {
    const before = await reader.observe();
    host.unplug(GPU);
    const again = create();
    const { bootId, ...rest } = await createHostReader({ root: again.hostRoot }).observe();
    expect(bootId).not.toBe(before.bootId);
    expect(rest).toEqual({ units: before.units, unreadableUnits: [], otherKinds: [], functions: before.functions, slots: before.slots });
  });

  it("with anything else in it is refused and left alone", () => {
    scratch.file("mine/precious.txt", "mine");
    expect(() => create("mine")).toThrow(/not a simulated host/);
    expect(() => openSimulatedHost(join(scratch.path, "mine"), { control })).toThrow(/not a simulated host/);
    scratch.file("theirs/simulated-host.json", '{"kind":"something else","version":1}');
    expect(() => create("theirs")).toThrow(/of this version/);
    expect(existsSync(join(scratch.path, "mine/precious.txt"))).toBe(true);
  });

  it("whose creation was cut short cannot be opened, and can be created again", () => {
    control.failNext(new Error("cut short"));
    expect(() => create("new")).toThrow("cut short");
    expect(() => openSimulatedHost(join(scratch.path, "new"), { control })).toThrow(/create it again/);
    writeFileSync(join(scratch.path, "new/scratch/rest"), "");
    create("new");
    expect(openSimulatedHost(join(scratch.path, "new"), { control }).description.units).toHaveLength(21);
  });
});
