// SPDX-License-Identifier: Apache-2.0
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PciFunction } from "../../src/domain/device.ts";
import { gateInputsOn } from "../../src/domain/gate/basis.ts";
import { judge } from "../../src/domain/gate/gate.ts";
import { groundFrom, indexed, inSlot } from "../../src/domain/ground.ts";
import { planUnit } from "../../src/domain/plan/plan.ts";
import type { Slot } from "../../src/domain/slot.ts";
import type { HostPort } from "../../src/host/port.ts";
import { createHostReader } from "../../src/host/reader.ts";
import type { ReadAttribute } from "../../src/host/tsm.ts";
import { aDriver, aMemory, anIntent, aSlot, aUnit, aView } from "../support/builders.ts";
import { capturedSpace } from "../support/captured.ts";
import { createScratch, type Scratch } from "../support/scratch.ts";

let host: Scratch;
let reader: HostPort;

beforeEach(() => {
  host = createScratch();
  reader = createHostReader({ root: host.path });
  host.directory("sys/bus/pci/devices");
  host.file("proc/sys/kernel/random/boot_id", "5b0c6d5e-0000-4000-8000-000000000001\n");
  host.directory("proc/1/fd");
  host.link("proc/1/ns/pid", "pid:[4026531836]");
});
afterEach(() => host.remove());

function addUnit(name: string, address: string): void {
  for (const [file, text] of [
    ["address", address],
    ["cap", "19ed008c40780c66"],
    ["ecap", "7ee9e86f050df"],
    ["domains_supported", "65536"],
    ["domains_used", "3"],
  ] as const) {
    host.file(`sys/devices/virtual/iommu/${name}/intel-iommu/${file}`, `${text}\n`);
  }
  host.link(`sys/class/iommu/${name}`, `../../devices/virtual/iommu/${name}`);
}

function addFunction(address: string, options: { unit?: string; config?: Uint8Array; physfn?: string } = {}): string {
  const directory = `sys/devices/pci0000:00/${address}`;
  host.file(`${directory}/vendor`, "0x10de\n");
  host.file(`${directory}/device`, "0x2335\n");
  host.file(`${directory}/class`, "0x030200\n");
  host.file(`${directory}/numa_node`, "-1\n");
  if (options.config !== undefined) host.file(`${directory}/config`, options.config);
  if (options.unit !== undefined) host.link(`${directory}/iommu`, `../../virtual/iommu/${options.unit}`);
  if (options.physfn !== undefined) host.link(`${directory}/physfn`, `../${options.physfn}`);
  host.link(`sys/bus/pci/devices/${address}`, `../../../devices/pci0000:00/${address}`);
  return directory;
}

/** The function, and the link of its slot. */
async function observeOne(address: string): Promise<PciFunction & Pick<Slot, "link">> {
  const found = inSlot(indexed({ kind: "Read", value: await reader.observe() }), address);
  if (found === null) throw new Error(`${address} is not in the view`);
  // Both ways of reading agree; the second has the holders of the same search.
  expect(await reader.observeFunction(address)).toEqual(found);
  return { ...found.fn, link: found.slot.link };
}

const PLAIN = new Uint8Array(256);

describe("a host without units or functions", () => {
  it("is an empty view", async () => {
    expect(await reader.observe()).toEqual({
      bootId: "5b0c6d5e-0000-4000-8000-000000000001",
      units: [],
      unreadableUnits: [],
      otherKinds: [],
      functions: [],
      slots: [],
    });
  });

  it("whose bus cannot be listed is an error, not an empty view", async () => {
    rmSync(join(host.path, "sys"), { recursive: true });
    await expect(reader.observe()).rejects.toMatchObject({ code: "HOST_UNREADABLE" });
  });

  it("whose units cannot be listed is an error, not a host without units", async () => {
    host.link("sys/class/iommu", "iommu");
    await expect(reader.observe()).rejects.toMatchObject({ code: "HOST_UNREADABLE" });
  });

  it("has no boot id when the file is not there", async () => {
    rmSync(join(host.path, "proc"), { recursive: true });
    expect((await reader.observe()).bootId).toBeNull();
  });
});

describe("units", () => {
  it("are keyed by address, in its order, with their registers", async () => {
    addUnit("dmar1", "d97fc000");
    addUnit("dmar0", "fed90000");
    const { units } = await reader.observe();
    expect(units.map((unit) => [unit.regBase, unit.kernelName])).toEqual([
      ["0xd97fc000", "dmar1"],
      ["0xfed90000", "dmar0"],
    ]);
    expect(units[0]).toMatchObject({ cap: 0x19ed008c40780c66n, ecap: 0x7ee9e86f050dfn, domainsSupported: 65536, domainsUsed: 3 });
  });

  it("whose address is no register base, or another's, are unreadable, and so are the units of the functions below", async () => {
    for (const [name, address] of [
      ["dmar1", "garbage"],
      ["dmar2", "fed90010"],
      ["dmar3", "0"],
      ["dmar4", "fed90000"],
      ["dmar0", "fed90000"],
    ] as const) {
      addUnit(name, address);
    }
    host.directory("sys/class/iommu/dmar5/intel-iommu");
    addFunction("0000:01:00.0", { unit: "dmar1", config: PLAIN });
    const view = await reader.observe();
    expect(view.units).toHaveLength(1);
    expect(view.unreadableUnits.map((unit) => unit.kernelName).sort()).toEqual(["dmar1", "dmar2", "dmar3", "dmar4", "dmar5"].sort());
    expect((await observeOne("0000:01:00.0")).unit).toMatchObject({ kind: "Unreadable" });
  });

  it("of another kind are named, and so are they to the functions below", async () => {
    host.directory("sys/devices/virtual/iommu/ivhd0/amd-iommu");
    host.link("sys/class/iommu/ivhd0", "../../devices/virtual/iommu/ivhd0");
    addFunction("0000:01:00.0", { unit: "ivhd0", config: PLAIN });
    const view = await reader.observe();
    expect(view).toMatchObject({ units: [], unreadableUnits: [], otherKinds: ["ivhd0"] });
    expect((await observeOne("0000:01:00.0")).unit).toEqual({ kind: "Unreadable", why: "ivhd0 is no VT-d unit" });
  });

  it("with registers that are not there have null for them", async () => {
    host.file("sys/class/iommu/dmar0/intel-iommu/address", "fed90000\n");
    host.file("sys/class/iommu/dmar0/intel-iommu/cap", "not hex\n");
    expect((await reader.observe()).units[0]).toMatchObject({ cap: null, ecap: null, domainsSupported: null, domainsUsed: null });
  });
});

describe("functions", () => {
  it("have the unit that their own iommu link leads to, or none", async () => {
    addUnit("dmar0", "fed90000");
    addFunction("0000:01:00.0", { unit: "dmar0", config: PLAIN });
    addFunction("0000:02:00.0", { config: PLAIN });
    addFunction("0000:03:00.0", { unit: "dmar9", config: PLAIN });
    expect((await observeOne("0000:01:00.0")).unit).toEqual({ kind: "Unit", regBase: "0xfed90000", kernelName: "dmar0" });
    expect((await observeOne("0000:02:00.0")).unit).toEqual({ kind: "None" });
    expect((await observeOne("0000:03:00.0")).unit).toMatchObject({ kind: "Unreadable" });
  });

  it("are in order of address, those of other segments behind", async () => {
    for (const address of ["10000:01:00.0", "0001:01:00.0", "0000:ff:00.0"]) addFunction(address, { config: PLAIN });
    const { functions } = await reader.observe();
    expect(functions.map((one) => one.address)).toEqual(["0000:ff:00.0", "0001:01:00.0", "10000:01:00.0"]);
  });

  it("that broken links and stray names stand for are not there", async () => {
    host.link("sys/bus/pci/devices/0000:09:00.0", "../../../devices/gone");
    host.file("sys/bus/pci/devices/README", "");
    expect((await reader.observe()).functions).toEqual([]);
    expect(await reader.observeFunction("0000:09:00.0")).toBeNull();
    expect(await reader.observeFunction("../../../proc")).toBeNull();
  });

  it("with a configuration space that cannot be read are Unknown, not without TEE-I/O", async () => {
    addFunction("0000:01:00.0");
    addFunction("0000:02:00.0", { config: capturedSpace("tee-io-endpoint").subarray(0, 64) });
    host.directory("sys/devices/pci0000:00/0000:03:00.0/config");
    addFunction("0000:03:00.0");
    for (const address of ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"]) {
      expect(await observeOne(address)).toMatchObject({ teeIo: "Unknown", ideStreams: null, link: { state: "Unknown", streamSecure: "Unknown" } });
    }
  });

  it("with 256 bytes of configuration space have an unknown link, root ports too, and SETUP of their unit is not issued", async () => {
    const short = capturedSpace("tee-io-endpoint").subarray(0, 256);
    for (const address of ["0000:01:00.0", "0000:00:01.0"]) {
      host.remove();
      host = createScratch();
      reader = createHostReader({ root: host.path });
      addUnit("dmar0", "fed90000");
      addFunction(address, { unit: "dmar0", config: short });
      const driver = aDriver([aUnit({ state: "Untrusted" })]);
      const ground = groundFrom(aView({ driver, host: { kind: "Read", value: await reader.observe() } }));
      expect(inSlot(ground, address)).toMatchObject({ fn: { teeIo: "Yes" }, slot: { link: { state: "Unknown" } } });
      const inputs = { intent: anIntent(), ground, memory: aMemory() };
      expect(planUnit(inputs, "0xfed90000")).toMatchObject({ reason: "LinkUnknown", step: null });
      expect(planUnit(inputs, "0xfed90000").message).toContain(`${address} (the kernel shows only 256 bytes`);
    }
  });

  it("of which an unprivileged reader gets 64 bytes say that rights are missing", async () => {
    addUnit("dmar0", "fed90000");
    addFunction("0000:01:00.0", { unit: "dmar0", config: capturedSpace("tee-io-endpoint").subarray(0, 64) });
    const fn = await observeOne("0000:01:00.0");
    const inputs = gateInputsOn({ intent: anIntent(), driver: aDriver(), memory: aMemory() }, "List");
    const { reason, message } = judge(inputs(fn.address, { fn, slot: aSlot() }));
    expect(reason).toBe("CapabilityUnknown");
    expect(message).toContain("CAP_SYS_ADMIN");
  });

  it("as captured with a stream that is on are seen so, and no stream that the kernel does not name secures them", async () => {
    addFunction("0000:01:00.0", { config: capturedSpace("tee-io-endpoint") });
    expect(await observeOne("0000:01:00.0")).toMatchObject({ teeIo: "Yes", ideStreams: 1, link: { state: "Secure", tsm: "", streamSecure: "No" } });
  });

  it("with unreadable attributes keep what can be read", async () => {
    const directory = addFunction("0000:01:00.0", { config: PLAIN });
    rmSync(join(host.path, directory, "vendor"));
    host.directory(`${directory}/vendor`);
    host.link(`${directory}/driver`, "driver");
    expect(await observeOne("0000:01:00.0")).toMatchObject({ vendor: "", device: "2335", class: "0302" });
  });

  it("that are virtual inherit from function 0 of their physical function's slot, wherever they are themselves", async () => {
    addFunction("0000:17:00.0", { config: capturedSpace("tee-io-endpoint") });
    addFunction("0000:17:04.0", { config: PLAIN, physfn: "0000:17:00.0" });
    addFunction("0000:17:04.1", { config: PLAIN, physfn: "elsewhere" });
    const virtual = { functionType: "Virtual", physicalFunction: "0000:17:00.0", teeIo: "Yes", ideStreams: 1, link: { state: "Secure" } };
    expect(await observeOne("0000:17:04.0")).toMatchObject(virtual);
    const orphan = { functionType: "Virtual", physicalFunction: null, teeIo: "Unknown", link: { state: "Unknown" } };
    expect(await observeOne("0000:17:04.1")).toMatchObject(orphan);
  });

  it("that were replaced by another one at the same address are read anew", async () => {
    const directory = addFunction("0000:01:00.0", { config: PLAIN });
    expect(await observeOne("0000:01:00.0")).toMatchObject({ teeIo: "No" });
    rmSync(join(host.path, directory), { recursive: true });
    rmSync(join(host.path, "sys/bus/pci/devices/0000:01:00.0"));
    expect(await reader.observeFunction("0000:01:00.0")).toBeNull();
    addFunction("0000:01:00.0", { config: capturedSpace("tee-io-endpoint") });
    expect(await observeOne("0000:01:00.0")).toMatchObject({ teeIo: "Yes" });
  });
});

describe("links", () => {
  const ENDPOINT = "0000:01:00.0";
  const ROOT_PORT = "0000:00:01.0";
  const on = capturedSpace("tee-io-endpoint");
  /** The same space with its one selective stream off: control and status of the block at 0x83c. */
  const off = Uint8Array.from(on).fill(0, 0x840, 0x848);

  /** A TEE-I/O endpoint with a `tsm/` group below a root port, both with one stream. */
  function addLink(space: Uint8Array): void {
    host.file("sys/class/tsm/tsm0", "");
    const port = addFunction(ROOT_PORT, { config: space });
    const endpoint = addFunction(ENDPOINT, { config: space });
    // The place of a function is its resolved path.
    rmSync(join(host.path, `sys/bus/pci/devices/${ENDPOINT}`));
    host.link(`sys/bus/pci/devices/${ENDPOINT}`, `../../../devices/pci0000:00/${ROOT_PORT}/${ENDPOINT}`);
    host.link(`${port}/${ENDPOINT}`, `../${ENDPOINT}`);
    for (const name of ["connect", "bound"]) host.file(`${endpoint}/tsm/${name}`, "\n");
  }
  const setSpace = (address: string, space: Uint8Array): void => host.file(`sys/devices/pci0000:00/${address}/config`, space);
  const readerWith = (readAttribute: ReadAttribute): HostPort => createHostReader({ root: host.path, readAttribute });
  const links = async (port: HostPort) => {
    const seen = inSlot(indexed({ kind: "Read", value: await port.observe() }), ENDPOINT);
    expect(await port.observeFunction(ENDPOINT)).toEqual(seen);
    return { ...seen?.slot, fn: seen?.fn };
  };

  it("whose tsm files give an error are failed, and those that give nothing in time blocked, with the registers of both ends", async () => {
    addLink(off);
    nameStream();
    const free = await links(readerWith(async () => ({ kind: "Value", value: "" })));
    expect(free.linkRead?.tsm).toBe("Read");
    const failed = await links(readerWith(async () => ({ kind: "Unreadable", why: "EIO" })));
    const unknown = { link: { state: "Unknown" }, fn: { bound: "Unknown" } };
    expect(failed).toMatchObject({ ...unknown, linkRead: { tsm: "Failed" } });
    const stuck = readerWith(async () => ({ kind: "Unreadable", why: "ETIMEDOUT" }));
    expect(await links(stuck)).toMatchObject({ ...unknown, linkRead: { ...free.linkRead, tsm: "Blocked" } });
    setSpace(ROOT_PORT, on);
    const changed = await links(stuck);
    expect(changed.linkRead?.registers).not.toBe(free.linkRead?.registers);
    setSpace(ROOT_PORT, off.subarray(0, 64));
    expect((await links(stuck)).linkRead?.registers).toBeNull();
  });

  it("are being written for whoever reads while this process writes them, even if only the last moment of it falls into the reading", async () => {
    addLink(off);
    const port = readerWith(async () => ({ kind: "Value", value: "" }));
    const [ended, during] = await port.withoutTsm(ENDPOINT, async () => [port.observe(), await links(port)] as const);
    const slotIn = (slots: readonly Slot[]) => slots.find(({ owner }) => owner === ENDPOINT);
    expect([during.linkRead?.tsm, slotIn((await ended).slots)?.linkRead.tsm]).toEqual(["Writing", "Writing"]);
    expect((await links(port)).linkRead?.tsm).toBe("Read");
    // Of other links nothing is read meanwhile; these may stand.
    expect((await port.withoutTsm(ROOT_PORT, () => links(port))).linkRead?.tsm).toBe("Blocked");
  });

  /** The kernel's name of the stream between the first blocks of both ends. */
  const nameStream = (): void => host.link("sys/devices/pci0000:00/stream0.0.0", `${ROOT_PORT}/${ENDPOINT}`);
  /** The same space, whose stream's partner has these requester IDs. */
  const covering = (first: number, last: number): Uint8Array => {
    const space = Buffer.from(on);
    space.writeUInt32LE(last << 8, 0x848);
    space.writeUInt32LE((first << 8) | 1, 0x84c);
    return space;
  };
  const connected: ReadAttribute = async (path) => ({ kind: "Value", value: path.endsWith("connect") ? "tsm0" : "" });

  it("are secured by the stream that the kernel names, when it is on in its blocks at both ends, for whom the root port has it", async () => {
    addLink(on);
    setSpace(ROOT_PORT, covering(0x0100, 0x0101));
    const port = readerWith(connected);
    expect(await links(port)).toMatchObject({ link: { state: "Secure", tsm: "tsm0", streamSecure: "No" }, covers: [] });
    nameStream();
    expect(await links(port)).toMatchObject({ link: { streamSecure: "Yes" }, covers: [{ first: 0x0100, last: 0x0101 }] });
    setSpace(ROOT_PORT, off);
    expect(await links(port)).toMatchObject({ link: { state: "Secure", streamSecure: "No" }, covers: [] });
    setSpace(ROOT_PORT, off.subarray(0, 64));
    expect(await links(port)).toMatchObject({ link: { state: "Secure", streamSecure: "Unknown" }, covers: [] });
    setSpace(ROOT_PORT, covering(0x0100, 0x0100));
    setSpace(ENDPOINT, off);
    expect(await links(port)).toMatchObject({ link: { state: "Secure", streamSecure: "No" }, covers: [] });
  });

  it("are secured also by a root port that had no IDE when it was read first", async () => {
    addLink(on);
    nameStream();
    const file = join(host.path, "sys/devices/pci0000:00", ROOT_PORT, "config");
    writeFileSync(file, PLAIN);
    const port = readerWith(async () => ({ kind: "Value", value: "" }));
    await port.observe();
    const later = readerWith(connected);
    await later.observe();
    // Written in place: nothing of the directory tells.
    writeFileSync(file, covering(0x0100, 0x0100));
    expect(await links(later)).toMatchObject({ link: { state: "Secure", streamSecure: "Yes" } });
    expect(await later.linkRegisters(ENDPOINT)).toBe((await links(later)).linkRead?.registers);
  });

  it("say which function manages their security while they are connected", async () => {
    addLink(on);
    const asked: string[] = [];
    const portOf = (connect: string, dsm: string): HostPort =>
      readerWith(async (path) => {
        asked.push(path.slice(path.lastIndexOf("/") + 1));
        return { kind: "Value", value: path.endsWith("connect") ? connect : path.endsWith("dsm") ? dsm : "" };
      });
    expect((await links(portOf("tsm0", "0000:00:02.0"))).dsm).toBe("0000:00:02.0");
    asked.length = 0;
    expect((await links(portOf("", "0000:00:02.0"))).dsm).toBe("");
    expect(asked).not.toContain("dsm");
    const unread = readerWith(async (path) => (path.endsWith("dsm") ? { kind: "Unreadable", why: "EIO" } : connected(path, 0)));
    expect(await links(unread)).toMatchObject({ dsm: "", linkRead: { tsm: "Failed" } });
  });

  it("have other registers when a stream covers others, and the same when only these are read", async () => {
    addLink(on);
    nameStream();
    const port = readerWith(connected);
    setSpace(ROOT_PORT, covering(0x0100, 0x0100));
    const before = await links(port);
    expect(before.linkRead?.registers).toEqual(expect.any(String));
    expect(await port.linkRegisters(ENDPOINT)).toBe(before.linkRead?.registers);
    setSpace(ROOT_PORT, covering(0x0100, 0x0104));
    const after = await port.linkRegisters(ENDPOINT);
    expect(after).not.toBe(before.linkRead?.registers);
    expect((await links(port)).linkRead?.registers).toBe(after);
    setSpace(ENDPOINT, off.subarray(0, 64));
    expect(await port.linkRegisters(ENDPOINT)).toBeNull();
    expect(await port.linkRegisters("0000:99:00.0")).toBeNull();
    expect(await port.linkRegisters("../../etc/passwd")).toBeNull();
  });

  it("know the TSMs of the host and the streams that are left", async () => {
    addLink(off);
    const port = readerWith(connected);
    expect(await links(port)).toMatchObject({ tsms: ["tsm0"], streamsLeft: null });
    for (const name of ["tsm1", "uevent"]) host.file(`sys/class/tsm/${name}`, "");
    host.file("sys/devices/pci0000:00/available_secure_streams", "3\n");
    expect(await links(port)).toMatchObject({ tsms: ["tsm0", "tsm1"], streamsLeft: 3 });
    host.file("sys/devices/pci0000:00/available_secure_streams", "many\n");
    expect((await links(port)).streamsLeft).toBeNull();
  });

  it("know the selective blocks of both ends that are off, where they can be read", async () => {
    addLink(off);
    const port = readerWith(connected);
    expect((await links(port)).blocksLeft).toEqual({ endpoint: 1, rootPort: 1 });
    setSpace(ROOT_PORT, on);
    expect((await links(port)).blocksLeft).toEqual({ endpoint: 1, rootPort: 0 });
    setSpace(ENDPOINT, on);
    setSpace(ROOT_PORT, off.subarray(0, 64));
    expect((await links(port)).blocksLeft).toEqual({ endpoint: 0, rootPort: null });
    setSpace(ROOT_PORT, PLAIN);
    expect((await links(port)).blocksLeft).toEqual({ endpoint: 0, rootPort: null });
  });

  it("of a switch's upstream port are its own, and a root port has the other end of one", async () => {
    const typed = (type: number): Uint8Array => {
      const space = Buffer.from(off);
      const express = space.indexOf(Buffer.from([0x10]), space[0x34] ?? 0);
      space.writeUInt8((space.readUInt8(express + 2) & 0xf) | (type << 4), express + 2);
      return space;
    };
    addLink(off);
    for (const [address, type] of [
      [ROOT_PORT, 4],
      [ENDPOINT, 5],
    ] as const) {
      setSpace(address, typed(type));
      host.file(`sys/devices/pci0000:00/${address}/class`, "0x060400\n");
    }
    addFunction("0000:01:00.1", { config: PLAIN });
    const { slots } = await readerWith(connected).observe();
    expect(slots.map(({ owner, port }) => [owner, port])).toEqual([
      [ROOT_PORT, "FarEnd"],
      [ENDPOINT, "Upstream"],
    ]);
    setSpace(ENDPOINT, typed(6));
    expect((await readerWith(connected).observe()).slots.map(({ port }) => port)).toEqual(["FarEnd", "FarEnd"]);
  });

  it("have their registers read after tsm/connect: one that is being released shows no stream without a TSM", async () => {
    addLink(on);
    const releasing = readerWith(async () => {
      setSpace(ENDPOINT, off);
      return { kind: "Value", value: "" };
    });
    expect((await releasing.observe()).slots.find((slot) => slot.owner === ENDPOINT)?.link).toMatchObject({ state: "Insecure" });
    setSpace(ENDPOINT, on);
    expect((await releasing.observeFunction(ENDPOINT))?.slot.link).toMatchObject({ state: "Insecure" });
  });
});

describe("holders", () => {
  const GUEST = { kind: "Unreadable", why: "pid 20 holds vfio3, which no function has" };
  const NOBODY = { kind: "Known", pids: [] };
  const driver = (directory: string, name: string): void => host.link(`${directory}/driver`, `../../../bus/pci/drivers/${name}`);
  /** vfio-pci has it, and pid 20 has it open. */
  const addHeld = (): string => {
    const held = addFunction("0000:01:00.0", { config: PLAIN });
    driver(held, "vfio-pci");
    host.link(`${held}/iommu_group`, "../../../kernel/iommu_groups/12");
    host.directory(`${held}/vfio-dev/vfio3`);
    host.directory("sys/class/vfio/12");
    host.link("proc/20/fd/7", "/dev/vfio/devices/vfio3");
    return held;
  };
  /** As the kernel leaves it while it waits for the last process to close the device. */
  const unbind = (held: string): void => {
    rmSync(join(host.path, held, "driver"));
    rmSync(join(host.path, held, "vfio-dev"), { recursive: true });
  };

  it("stay with a function whose unbind waits for them, and only those that others' drivers have are free", async () => {
    const held = addHeld();
    driver(addFunction("0000:02:00.0", { config: PLAIN }), "nvme");
    const other = addFunction("0000:03:00.0", { config: PLAIN });
    driver(other, "vfio-pci");
    host.directory(`${other}/vfio-dev/vfio4`);
    expect((await observeOne("0000:01:00.0")).holders).toEqual({ kind: "Known", pids: [20] });
    unbind(held);
    expect(await observeOne("0000:01:00.0")).toMatchObject({ driver: null, vfioCdev: null, holders: GUEST });
    expect((await observeOne("0000:02:00.0")).holders).toEqual(NOBODY);
    expect((await observeOne("0000:03:00.0")).holders).toEqual(NOBODY);
    rmSync(join(host.path, "proc/20"), { recursive: true });
    expect((await observeOne("0000:01:00.0")).holders).toEqual(NOBODY);
  });

  it("are found by the group when no function is on vfio any more", async () => {
    const held = addHeld();
    rmSync(join(host.path, "proc/20/fd/7"));
    host.link("proc/20/fd/7", "/dev/vfio/12");
    unbind(held);
    expect((await observeOne("0000:01:00.0")).holders).toEqual({ kind: "Known", pids: [20] });
  });

  it("of a device or group that is no PCI function's say nothing of functions", async () => {
    const loose = addFunction("0000:01:00.0", { config: PLAIN });
    host.directory("sys/class/vfio/77");
    host.link("sys/class/vfio-dev/vfio3", "../../devices/virtual/mtty/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001/vfio-dev/vfio3");
    host.directory("sys/kernel/iommu_groups/77/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
    host.link("proc/20/fd/7", "/dev/vfio/devices/vfio3");
    host.link("proc/20/fd/8", "/dev/vfio/77");
    expect((await observeOne("0000:01:00.0")).holders).toEqual(NOBODY);
    // A group that nobody vouches for is another matter, for a function that has none.
    host.link("proc/20/fd/9", "/dev/vfio/78");
    expect((await observeOne("0000:01:00.0")).holders).toEqual({ kind: "Unreadable", why: "pid 20 holds 78, which no function has" });
    host.link(`${loose}/iommu_group`, "../../../kernel/iommu_groups/12");
    expect((await observeOne("0000:01:00.0")).holders).toEqual(NOBODY);
  });

  it("are unreadable when driver or vfio-dev cannot be read", async () => {
    const strange = addFunction("0000:01:00.0", { config: PLAIN });
    host.file(`${strange}/driver`, "");
    const other = addFunction("0000:02:00.0", { config: PLAIN });
    driver(other, "vfio-pci");
    host.link(`${other}/vfio-dev`, "vfio-dev");
    expect((await observeOne("0000:01:00.0")).holders).toEqual({ kind: "Unreadable", why: "driver: EINVAL" });
    expect((await observeOne("0000:02:00.0")).holders).toEqual({ kind: "Unreadable", why: "vfio-dev: ELOOP" });
  });

  it("are looked for only on a host that can have vfio devices", async () => {
    addFunction("0000:01:00.0", { config: PLAIN });
    rmSync(join(host.path, "proc/1"), { recursive: true });
    expect((await observeOne("0000:01:00.0")).holders).toEqual(NOBODY);
    host.directory("sys/class/vfio-dev");
    expect((await observeOne("0000:01:00.0")).holders).toMatchObject({ kind: "Unreadable" });
    // The group interface is there and has no group: nothing of vfio can be open.
    host.directory("sys/class/vfio");
    expect((await observeOne("0000:01:00.0")).holders).toEqual(NOBODY);
    host.directory("sys/class/vfio/12");
    expect((await observeOne("0000:01:00.0")).holders).toMatchObject({ kind: "Unreadable" });
  });
});

describe("a look that needs no holders", () => {
  it("spares the search, and shows every holder as unreadable", async () => {
    const held = addFunction("0000:01:00.0", { config: PLAIN });
    host.link(`${held}/driver`, "../../../bus/pci/drivers/vfio-pci");
    host.directory(`${held}/vfio-dev/vfio3`);
    host.link("proc/20/fd/7", "/dev/vfio/devices/vfio3");
    const asked: string[] = [];
    const look = (isWanted: boolean) =>
      reader.observe({
        wantsHolders: (fn) => {
          asked.push(fn.address);
          return isWanted;
        },
        wantsBinding: () => false,
        age: "Fresh",
      });
    expect((await look(false)).functions).toMatchObject([{ holders: { kind: "Unreadable", why: expect.stringContaining("not looked for") } }]);
    expect((await look(true)).functions).toMatchObject([{ holders: { kind: "Known", pids: [20] } }]);
    expect(asked).toEqual(["0000:01:00.0", "0000:01:00.0"]);
    // A call of kubelet looks by itself, or uses what was found just before.
    expect(await createHostReader({ root: host.path }).observeFunction("0000:01:00.0")).toMatchObject({
      fn: { holders: { kind: "Known", pids: [20] } },
    });
  });
});

describe("the machine this runs on", () => {
  it("can be read", async () => {
    const real = createHostReader({ root: "/" });
    const view = await real.observe();
    for (const one of view.functions) expect(one.vendor).toMatch(/^[0-9a-f]{4}$/);
    const first = inSlot(indexed({ kind: "Read", value: view }), view.functions[0]?.address ?? "");
    if (first !== null) expect(await real.observeFunction(first.fn.address)).toEqual(first);
  });
});
