// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSimulatedHost } from "../../../src/stand-in/host/create.ts";
import type { HostDescription } from "../../../src/stand-in/host/host-description.ts";
import { loadHostDescription } from "../../../src/stand-in/host/load-description.ts";
import type { SimulatedHost } from "../../../src/stand-in/host/simulated-host.ts";
import { simulationOf } from "../../../src/stand-in/module/simulation.ts";
import { shippedHost } from "../../support/captured.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";

const DESCRIPTION = loadHostDescription(shippedHost("one-unit"));
const UNIT = "0xfed90000";
const DEVICE = "0000:01:00.0";

let scratch: Scratch;
beforeEach(() => {
  scratch = createScratch();
});
afterEach(() => scratch.remove());

function create(description: HostDescription = DESCRIPTION): SimulatedHost {
  return createSimulatedHost(join(scratch.path, "sim"), { description, control: simulationOf() });
}

describe("a simulated host with its TDX module", () => {
  it("has the described units in the module's table, all untouched", () => {
    expect(create().show()).toMatchObject({
      environment: "Ok",
      profile: "Newest",
      mtPageCount: 2,
      units: [{ regBase: UNIT, present: true, phase: "None", securedLinks: [] }],
    });
  });

  it("shows the module a link that is secured, released, reset, pulled out or rebooted away", () => {
    const host = create({ ...DESCRIPTION, tsm: "tsm0" });
    const links = (): readonly string[] => host.show().units[0]?.securedLinks ?? [];
    host.secureLink(DEVICE);
    expect(links()).toEqual([DEVICE]);
    host.resetFunction(DEVICE);
    expect(links()).toEqual([DEVICE]);
    host.releaseLink(DEVICE);
    expect(links()).toEqual([]);
    host.secureLink(DEVICE);
    host.unplug(DEVICE);
    expect(links()).toEqual([]);
    host.replug(DEVICE);
    host.secureLink(DEVICE);
    host.reboot();
    expect(links()).toEqual([]);
  });

  it("answers writes of a link as a kernel does, or as it was told to", () => {
    const host = create({ ...DESCRIPTION, tsm: "tsm0" });
    const links = (): readonly string[] => host.show().units[0]?.securedLinks ?? [];
    expect(host.writeLink(DEVICE, "tsm1", true)).toBe("ENXIO");
    expect(host.writeLink(DEVICE, "tsm0", true)).toBeNull();
    expect(host.writeLink(DEVICE, "tsm0", true)).toBe("EBUSY");
    expect(links()).toEqual([DEVICE]);
    expect(host.writeLink(DEVICE, "tsm0", false)).toBeNull();
    expect(links()).toEqual([]);
    host.linkFault({ address: DEVICE, errno: "EIO", delayMs: 5, times: 2 });
    expect([1, 2, 3].map(() => host.takeLinkFault(DEVICE)?.errno ?? "none")).toEqual(["EIO", "EIO", "none"]);
    host.unplug(DEVICE);
    expect(host.writeLink(DEVICE, "tsm0", true)).toBe("ENOENT");
    expect(() => create().linkFault({ address: DEVICE, errno: "EIO", delayMs: 0, times: 1 })).toThrow("has no TSM");
  });

  it("is changed by one process at a time", () => {
    const host = create();
    const control = simulationOf();
    const lock = join(host.directory, "lock");
    expect(control.exclusively(lock, () => "done")).toBe("done");
    const held = (): void => control.exclusively(lock, () => host.unplug(DEVICE));
    expect(held).toThrow("is locked: another process changes the simulated host");
    host.unplug(DEVICE);
  }, 20_000);

  it("described with a secured link starts with it in the module too", () => {
    const functions = DESCRIPTION.functions.map((one) => (one.address === DEVICE ? { ...one, secured: true } : one));
    expect(create({ ...DESCRIPTION, functions }).show().units[0]?.securedLinks).toEqual([DEVICE]);
  });

  it("scripts faults, loses units and module, and starts a new incarnation with each boot", () => {
    const host = create();
    host.fault({ leaf: "TDH.IOMMU.SETUP", regBase: UNIT, status: 0x8000020000000001n, count: 3 });
    expect(host.show().faults).toMatchObject([{ leaf: "TDH.IOMMU.SETUP", regBase: UNIT, status: 0x8000020000000001n, count: 3 }]);
    host.clearFaults();
    expect(host.show().faults).toEqual([]);
    host.loseUnit(UNIT);
    expect(host.show().units[0]?.present).toBe(false);
    host.findUnit(UNIT);
    expect(host.show().units[0]?.present).toBe(true);
    host.loseModule("VmFailInvalid");
    expect(host.show().environment).toBe("VmFailInvalid");
    host.restoreModule({ lost: true });
    const { environment, incarnation } = host.show();
    expect(environment).toBe("Ok");
    host.reboot();
    expect(host.show().incarnation).toBeGreaterThan(incarnation);
  });
});

describe("device nodes", () => {
  it("are character devices when asked for, which container runtimes insist on", ({ skip }) => {
    skip(process.getuid?.() !== 0, "mknod needs root");
    const options = { description: DESCRIPTION, control: simulationOf(), deviceNodes: "Characters" } as const;
    const host = createSimulatedHost(join(scratch.path, "sim"), options);
    expect(statSync(join(host.hostRoot, "dev/vfio/devices/vfio0")).isCharacterDevice()).toBe(true);
    host.unbind(DEVICE);
    host.bind(DEVICE, "vfio-pci");
    expect(statSync(join(host.hostRoot, "dev/vfio/devices/vfio0")).isCharacterDevice()).toBe(true);
  });
});
