// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aHostUnit, REG_BASE } from "../../testing/builders.ts";
import { openFound } from "../drivers.ts";
import { createTdxHost } from "./driver.ts";

let root: string;
const write = (path: string, text: string): void => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
};
const addTsm = (): void => void mkdirSync(join(root, "sys/devices/faux/tdx_host/tsm/tsm0"), { recursive: true });
const removeTsm = (): void => rmSync(join(root, "sys/devices/faux/tdx_host/tsm"), { recursive: true });
const host = () => ({ root, units: async () => [aHostUnit()] });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "trusted-iommu-tdx-host-"));
  write("proc/sys/kernel/random/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n");
  write("dev/kmsg", "6,1,1000000,-;tdx_host: Trusted DMA for TEE/IO initialized, regbase 0xfed90000\n");
  write("sys/devices/faux/tdx_host/version", "2.0.18\n");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("the driver tdx_host", () => {
  it("lists what the kernel has done, and says that it is the kernel's", async () => {
    addTsm();
    const port = createTdxHost(host());
    expect(await port.info()).toMatchObject({ simulated: false, kernelOwned: true, environment: "Ok", module: { version: "2.0.18" } });
    const table = await port.list();
    expect(table.instance).toBe("0123456789abcdef0123456789abcdef");
    expect(table.units).toMatchObject([{ regBase: REG_BASE, state: "Trusted", tdxIommuId: null, evidence: expect.stringContaining("tsm0") }]);
    await port.close();
    await expect(port.list()).rejects.toMatchObject({ code: "BINDING_CLOSED" });
  });

  it("loses trust with the TSM, and takes another registration of it for another span of trust", async () => {
    addTsm();
    const port = createTdxHost(host());
    const before = (await port.list()).units[0];
    removeTsm();
    expect((await port.list()).units[0]).toMatchObject({ state: "Untrusted" });
    mkdirSync(join(root, "sys/devices/faux/tdx_host/other"));
    addTsm();
    const after = (await port.list()).units[0];
    expect(after?.state).toBe("Trusted");
    expect(after?.setupSeq).not.toBe(before?.setupSeq);
    await port.close();
  });

  it("can't be asked for anything", async () => {
    const port = createTdxHost(host());
    await expect(port.setup(REG_BASE)).rejects.toMatchObject({ code: "KERNEL_OWNED" });
    await expect(port.clear({ regBase: REG_BASE, tdxIommuId: 0n, setupSeq: 0n })).rejects.toMatchObject({ code: "KERNEL_OWNED" });
    await port.close();
  });

  it("says that it is simulated while the one who poses as it is loaded", async () => {
    mkdirSync(join(root, "sys/module/tdx_connect_sim"), { recursive: true });
    const port = createTdxHost(host());
    expect(await port.info()).toMatchObject({ simulated: true });
    await port.close();
  });
});

describe("the driver that is found", () => {
  it("is the kernel's own only with a TSM, and none otherwise", async () => {
    await expect(openFound(host())).rejects.toMatchObject({ code: "DRIVER_MISSING" });
    addTsm();
    const port = await openFound(host());
    expect(port.driver).toBe("tdx_host");
    removeTsm();
    await expect(port.list()).rejects.toMatchObject({ code: "BACKEND_GONE" });
    await port.close();
  });

  it("is the kernel module as soon as its device node is there, whatever else is", async () => {
    addTsm();
    write("dev/tdx_iommu", "");
    // Not a device node: asked, it gives no answer, and nothing else is tried.
    await expect(openFound(host()).then((port) => port.list())).rejects.toMatchObject({ code: "BINDING_FAILED" });
  });
});
