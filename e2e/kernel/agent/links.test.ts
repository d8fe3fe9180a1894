// SPDX-License-Identifier: Apache-2.0
// Links on a real kernel: its own PCI/TSM and IDE core, its own tsm/connect, with a simulated TSM behind it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { announce, connect, disconnect, sys } from "../kit/device.ts";
import { ensureModules, LOAD_PROJECT, MORE_UNITS } from "../kit/modules.ts";
import { SIM, TABLE } from "../kit/simulator.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import type { VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-links-"));
const FIRST = "0000:01:00.0";
const SECOND = "0000:02:00.0";
/** It is off the bus while our TSM is loaded, so that it is not of ours. */
const THIRD = { address: "0000:03:00.0", port: "0000:00:03.0" };
/** Registers of the simulator's mailbox, and what they say. PCIe r6.0 7.9.24. */
const MAILBOX = { control: 0xe88, status: 0xe8c, write: 0xe90, read: 0xe94 };
const ABORT = 1;
const GO = 0x80000000;
const READY = 0x80000000;
const ERROR = 4;
/** The simplest object: discovery, three words long, of the feature with index 0. */
const DISCOVERY = [0x00000001, 3, 0];
/** One that holds a message of SPDM (CMA, type 1), or a secured one (type 2). */
const spdm = (message: number, type = 1): readonly number[] => [(type << 16) | 1, 3, message];
const GET_VERSION = 0x00008410;
/** Bit 6 of the root port's bridge control. The kernel's own way waits for a link that QEMU takes down for good. */
const busReset = (port: string): string =>
  ["\\100", "\\000"].map((value) => `printf '${value}' | dd of=${sys(port, "config")} bs=1 seek=62 conv=notrunc 2> /dev/null`).join(" && ");
const RESETS = { "a function-level reset": `echo 1 > ${sys(FIRST, "reset")}`, "a reset of the bus": busReset("0000:00:01.0") };

describe.skipIf(rung.skipReason !== null)("links on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  const readMailbox = async (register: keyof typeof MAILBOX): Promise<number> =>
    Number.parseInt(await vm.run(`dd if=${sys(FIRST, "config")} bs=4 skip=${MAILBOX[register] / 4} count=1 2> /dev/null | od -An -tx4`), 16);
  const writeMailbox = async (writes: readonly (readonly [keyof typeof MAILBOX, number])[]): Promise<void> => {
    const lines = writes.map(([register, value]) => {
      const bytes = [0, 8, 16, 24].map((shift) => `\\${((value >>> shift) & 0xff).toString(8).padStart(3, "0")}`).join("");
      return `printf '${bytes}' | dd of=${sys(FIRST, "config")} bs=4 seek=${MAILBOX[register] / 4} conv=notrunc 2> /dev/null`;
    });
    await vm.run(lines.join(" && "));
  };
  const ask = (words: readonly number[]): Promise<void> => writeMailbox([...words.map((word) => ["write", word] as const), ["control", GO]]);
  /** The object's words. */
  const fetchAnswer = async (): Promise<readonly number[]> => {
    const words: number[] = [];
    while ((await readMailbox("status")) === READY) {
      words.push(await readMailbox("read"));
      await writeMailbox([["read", 0]]);
    }
    return words;
  };
  const exchanges = async (): Promise<number> => Number(await vm.run(`cat ${SIM}/link_exchanges`));

  beforeAll(async () => {
    const { kernels } = await rung.kit();
    const { contents } = await ensureModules(kernels[0], rung.environment, MORE_UNITS);
    const devices = behindPorts(["nvme,serial=a", "e1000e,romfile=", "nvme,serial=c"]);
    ({ vm, node } = await startAgentVm(rung, folder, { devices, contents }));
    await vm.run(`echo 1 > ${sys(THIRD.address, "remove")} && ${LOAD_PROJECT}`);
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

  it("have a mailbox at their endpoint, which the kernel has asked what it understands", async () => {
    for (const address of [FIRST, SECOND]) {
      const features = await vm.run(`cat ${sys(address, "doe_features")}/*`);
      expect(features.trim().split("\n").sort()).toEqual(["0001:00", "0001:01", "0001:02"]);
    }
    expect(await exchanges()).toBe(0);
  });

  it("have a mailbox that speaks of SPDM no more than its versions", async () => {
    await ask(spdm(GET_VERSION));
    expect(await fetchAnswer()).toEqual([0x00010001, 4, 0x00000410, 0x10000100]);
    // ERROR, unsupported request, and which: the next code, and GET_VERSION of SPDM 1.1.
    for (const [request, error] of [
      [0x00008510, 0x85077f10],
      [0x00008411, 0x84077f10],
    ] as const) {
      await ask(spdm(request));
      expect(await fetchAnswer()).toEqual([0x00010001, 3, error]);
    }
    // Nothing can be secured without a session.
    await ask(spdm(GET_VERSION, 2));
    expect(await readMailbox("status")).toBe(0);
  });

  it("whose mailbox is misused find it in error until it is aborted, or its function reset", async () => {
    expect(await readMailbox("status")).toBe(0);
    for (const recover of [() => writeMailbox([["control", ABORT]]), () => vm.run(`echo 1 > ${sys(FIRST, "reset")}`)]) {
      // One that is longer than it says is dropped.
      await ask([...DISCOVERY, 0]);
      expect(await readMailbox("status")).toBe(0);
      await ask(DISCOVERY);
      expect(await readMailbox("status")).toBe(READY);
      // Nobody has fetched the answer before.
      await ask(DISCOVERY);
      expect(await readMailbox("status")).toBe(ERROR);
      await recover();
      expect(await readMailbox("status")).toBe(0);
      // Says that a word was read, where none is.
      await writeMailbox([["read", 0]]);
      expect(await readMailbox("status")).toBe(ERROR);
      await recover();
      expect(await readMailbox("status")).toBe(0);
    }
  });

  it("are refused by the TSM while the unit is not trusted", async () => {
    const before = await exchanges();
    expect((await vm.try(connect(FIRST))).code).not.toBe(0);
    expect(await vm.run(TABLE)).toMatch(/phase 0 .* links 0/);
    expect(await exchanges()).toBe(before);
  });

  it("secured before SETUP keep the unit untrusted and the device withheld, until they are released", async () => {
    await vm.run(`echo Y > ${SIM}/link_before_setup && ${connect(FIRST)} && echo N > ${SIM}/link_before_setup`);
    await node.startAgent();
    const device = await node.untilDevice(FIRST, "LinkSecuredBeforeSetup", (one) => one.reason === "LinkSecuredBeforeSetup");
    expect(device.link).toMatchObject({ state: "Secure", tsm: "tsm0" });
    expect((await node.status()).units[0]).toMatchObject({ state: "Untrusted", reason: "LinkSecuredBeforeSetup" });
    expect(await vm.run(TABLE)).toMatch(/setup_calls 0\n/);
    await vm.run(disconnect(FIRST));
    await node.until("a trusted unit", (now) => now.units[0]?.state === "Trusted");
    const released = await node.untilDevice(FIRST, "another reason", (one) => one.reason !== "LinkSecuredBeforeSetup");
    // This kernel has no IOMMUFD: that, and nothing else, withholds the device now.
    expect(released).toMatchObject({ reason: "NoVfioDevice", link: { state: "Insecure", tsm: "" } });
  });

  it("secured after SETUP are in order", async () => {
    const before = await exchanges();
    await vm.run(connect(FIRST));
    expect(await exchanges()).toBe(before + 1);
    expect((await vm.run(`cat ${sys(FIRST, "tsm/connect")}`)).trim()).toBe("tsm0");
    expect(await vm.run("ls /sys/devices/pci0000:00")).toMatch(/stream0\.0\.0/);
    const device = await node.untilDevice(FIRST, "a secure link", (one) => one.link.state === "Secure");
    expect(device).toMatchObject({ reason: "NoVfioDevice", link: { tsm: "tsm0" } });
    expect((await node.status()).units[0]).toMatchObject({ state: "Trusted" });
  });

  it("that are reset, or lose their stream, are broken: the kernel still names the TSM, the registers do not agree", async () => {
    for (const [what, reset] of Object.entries(RESETS)) {
      await vm.run(`${reset} && ${announce(FIRST)}`);
      expect((await vm.run(`cat ${sys(FIRST, "tsm/connect")}`)).trim()).toBe("tsm0");
      expect(await node.untilDevice(FIRST, `LinkBroken by ${what}`, (one) => one.reason === "LinkBroken")).toMatchObject({ offered: false });
      await vm.run(`${disconnect(FIRST)} && ${connect(FIRST)} && ${announce(FIRST)}`);
      await node.untilDevice(FIRST, "in order again", (one) => one.reason === "NoVfioDevice" && one.link.state === "Secure");
    }
    await vm.run(`echo ${FIRST} > ${SIM}/stream_lost && ${announce(FIRST)}`);
    await node.untilDevice(FIRST, "LinkBroken", (one) => one.reason === "LinkBroken");
    await vm.run(`${disconnect(FIRST)} && ${connect(FIRST)} && ${announce(FIRST)}`);
  });

  it("hold up a CLEAR in the TDX module, and the agent does not ask for one", async () => {
    await vm.run("cp /cleared.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
    const status = await node.until("a blocked CLEAR", (now) => now.units[0]?.reason === "ClearBlocked");
    expect(status.units[0]?.message).toContain(`${FIRST} in use by TSM tsm0`);
    expect(await vm.run(TABLE)).toMatch(/clear_calls 0\n/);
    await vm.run("cp /trusted.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
    await node.until("trust", (now) => now.units[0]?.state === "Trusted" && now.units[0].reason === "SetupSucceeded");
  });

  it("that fail authentication stay insecure", async () => {
    const before = await exchanges();
    await vm.run(`echo 1 > ${SIM}/link_auth_fails`);
    expect((await vm.try(connect(SECOND))).code).not.toBe(0);
    expect(await exchanges()).toBe(before + 1);
    expect(await vm.run("dmesg")).toMatch(/0000:02:00\.0: .*GET_VERSION was answered by 00057f10/);
    expect((await vm.run(`cat ${sys(SECOND, "tsm/connect")}`)).trim()).toBe("");
    expect(await vm.run(TABLE)).toMatch(/links 1\n/);
    expect(await vm.run("ls /sys/devices/pci0000:00 | grep -c ^stream")).toBe("1\n");
    await vm.run(`${connect(SECOND)} && ${disconnect(SECOND)}`);
  });

  it("go with their device, and come back insecure with it", async () => {
    await vm.run(`echo 1 > ${sys(FIRST, "remove")}`);
    await node.until("the device gone", (now) => now.devices.every((one) => one.address !== FIRST));
    expect(await vm.run(TABLE)).toMatch(/links 0/);
    await vm.run("echo 1 > /sys/bus/pci/rescan");
    const device = await node.untilDevice(FIRST, "back, with an insecure link", (one) => one.link.state === "Insecure");
    expect(device.link).toMatchObject({ tsm: "" });
  });

  it("are not made when there are two TSMs, and the other's endpoint is left to it", async () => {
    const removed = `[ ! -e ${sys(THIRD.address, "remove")} ] || echo 1 > ${sys(THIRD.address, "remove")}`;
    await vm.run(`${removed}; insmod /other_tsm.ko below=${THIRD.port} && echo 1 > /sys/bus/pci/rescan`);
    expect(await vm.run("ls /sys/class/tsm")).toBe("tsm0\ntsm1\n");
    expect(await vm.run(`cat ${sys(THIRD.address, "vendor")} ${sys(FIRST, "vendor")}`)).toBe("0x1b36\n0x1b36\n");
    // Its registers are its own: nothing of ours is on top.
    expect((await vm.try(`ls -d ${sys(THIRD.address, "tsm")} ${sys(THIRD.address, "doe_features")}`)).code).not.toBe(0);
    await vm.run("cp /securing.yaml /node.yaml.new && mv /node.yaml.new /node.yaml");
    await node.untilDevice(FIRST, "TsmAmbiguous", (one) => one.reason === "TsmAmbiguous");
    await vm.run("rmmod other_tsm");
    await node.untilDevice(FIRST, "another reason", (one) => one.reason === "NoVfioDevice");
  });

  it("leave nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
