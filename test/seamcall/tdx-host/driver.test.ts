// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HostUnit } from "../../../src/domain/host.ts";
import { openFound } from "../../../src/seamcall/drivers.ts";
import type { SeamcallPort } from "../../../src/seamcall/port.ts";
import { createTdxHost, type TdxHostOptions } from "../../../src/seamcall/tdx-host/driver.ts";
import { type KernelLog, openKernelLog, parseRecord } from "../../../src/seamcall/tdx-host/kernel-log.ts";
import { createKernelWatch } from "../../../src/seamcall/tdx-host/watch.ts";
import { aHostUnit, REG_BASE } from "../../support/builders.ts";

let root: string;
/** The order in which directories were made, as sysfs numbers them; `/dev/shm` and a disk do not. */
let made: Map<string, bigint>;
let count: bigint;
/** Loads that the kernel has told of, and nobody has asked about yet. */
let arrived: number;
const write = (path: string, text: string): void => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
};
const DRIVER = "sys/devices/faux/tdx_host";
const TSM = `${DRIVER}/tsm/tsm0`;
const make = (path: string): void => {
  mkdirSync(join(root, path), { recursive: true });
  count += 1n;
  made.set(join(root, path), count);
  if (path === DRIVER) arrived += 1;
};
const remove = (path: string): void => rmSync(join(root, path), { recursive: true });
const addTsm = (): void => make(TSM);
const removeTsm = (): void => remove(`${DRIVER}/tsm`);
const addUnit = (kernelName: string): void => make(`sys/class/iommu/${kernelName}`);
const take = (): number => {
  const told = arrived;
  arrived = 0;
  return told;
};
const incarnationOf = (path: string): bigint | null => (existsSync(path) ? (made.get(path) ?? null) : null);
const host = (log: KernelLog = openKernelLog(join(root, "dev/kmsg"))): TdxHostOptions => ({
  root,
  units: async () => [aHostUnit()],
  watch: createKernelWatch({ root, log, arrivals: { take }, incarnationOf }),
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "trusted-iommu-tdx-host-"));
  made = new Map();
  count = 0n;
  arrived = 0;
  write("proc/sys/kernel/random/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n");
  // No module has brought the driver: it is built in.
  write("proc/modules", "kvm_intel 413696 0 - Live 0x0000000000000000\n");
  write("dev/kmsg", "6,1,1000000,-;tdx_host: Trusted DMA for TEE/IO initialized, regbase 0xfed90000\n");
  addUnit("dmar0");
  make(DRIVER);
  write(`${DRIVER}/version`, "2.0.18\n");
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
    await expect(port.list()).rejects.toMatchObject({ code: "DRIVER_CLOSED" });
  });

  it("loses trust with the TSM, and takes another registration of it for another span of trust", async () => {
    addTsm();
    const port = createTdxHost(host());
    const before = (await port.list()).units[0];
    removeTsm();
    expect((await port.list()).units[0]).toMatchObject({ state: "Untrusted" });
    appendFileSync(join(root, "dev/kmsg"), "6,2,2000000,-;tdx_host: Trusted DMA for TEE/IO initialized, regbase 0xfed90000\n");
    addTsm();
    const after = (await port.list()).units[0];
    expect(after?.state).toBe("Trusted");
    expect(after?.setupSeq).not.toBe(before?.setupSeq);
    await port.close();
  });

  it("can't be asked for anything", async () => {
    const port = createTdxHost(host());
    await expect(port.setup(REG_BASE)).rejects.toMatchObject({ code: "KERNEL_OWNED" });
    await expect(port.clear({ regBase: REG_BASE, tdxIommuId: 0n, setupSeq: 0n }, port.deadline(1_000))).rejects.toMatchObject({
      code: "KERNEL_OWNED",
    });
    await port.close();
  });

  it("says that it is simulated while the one who poses as it is loaded", async () => {
    mkdirSync(join(root, "sys/module/tdx_connect_sim"), { recursive: true });
    const port = createTdxHost(host());
    expect(await port.info()).toMatchObject({ simulated: true });
    await port.close();
  });
});

describe("an earlier load", () => {
  const A = "0x1000";
  const B = "0x2000";
  let records: string[];
  let isReadable: boolean;
  const say = (text: string): void => void records.push(`6,${records.length},1000000,-;${text}\n`);
  const setUp = (...units: readonly string[]): void => {
    for (const regBase of units) say(`Trusted DMA for TEE/IO initialized, regbase ${regBase}`);
  };
  const load = (...units: readonly string[]): void => {
    make(DRIVER);
    setUp(...units);
    addTsm();
  };
  const unload = (): void => remove(DRIVER);
  const log: KernelLog = {
    read() {
      if (!isReadable) return { kind: "Unreadable", why: "EPERM" };
      const lines = records.map((record) => parseRecord(record).line).filter((line) => line !== null);
      return { kind: "Read", lines, newest: records.length - 1 };
    },
  };
  const units = (...list: readonly HostUnit[]): TdxHostOptions => ({ ...host(log), units: async () => list });
  const twoUnits = (): TdxHostOptions => units(aHostUnit({ regBase: A, kernelName: "dmar0" }), aHostUnit({ regBase: B, kernelName: "dmar1" }));
  const seen = (port: Promise<SeamcallPort>): Promise<void> =>
    port.then(
      () => undefined,
      () => undefined,
    );
  const statesOf = async (port: SeamcallPort): Promise<unknown> => (await port.list()).units.map(({ state }) => state);

  beforeEach(() => {
    records = ["6,0,1,-;Linux\n"];
    isReadable = true;
    write("proc/modules", "tdx_host 45056 0 - Live 0x0000000000000000\nkvm_intel 413696 0 - Live 0x0000000000000000\n");
    unload();
    addUnit("dmar1");
  });

  it("proves nothing of a unit that the present one passed over", async () => {
    const port = createTdxHost(twoUnits());
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    load(A, B);
    expect(await statesOf(port)).toEqual(["Trusted", "Trusted"]);
    unload();
    load(A);
    expect(await statesOf(port)).toEqual(["Trusted", "Unknown"]);
    unload();
    load();
    expect(await statesOf(port)).toEqual(["Unknown", "Unknown"]);
  });

  it("proves nothing when it failed before it had a TSM, and was seen by nobody but in the log", async () => {
    const port = createTdxHost(twoUnits());
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    setUp(A);
    say("TDH.IOMMU.SETUP failed, regbase 0x2000 status 0xc000010000000001");
    load(B);
    expect(await statesOf(port)).toEqual(["Unknown", "Trusted"]);
  });

  it("proves nothing when it failed and only its absence was seen", async () => {
    const port = createTdxHost(twoUnits());
    setUp(A);
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    load(B);
    expect(await statesOf(port)).toEqual(["Unknown", "Trusted"]);
  });

  it("is not what is seen in the middle of its SETUPs: its lines count when it has its TSM", async () => {
    const port = createTdxHost(twoUnits());
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    make(DRIVER);
    setUp(A);
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    setUp(B);
    addTsm();
    expect(await statesOf(port)).toEqual(["Trusted", "Trusted"]);
  });

  it("is remembered beyond the port that saw it", async () => {
    const found = twoUnits();
    await seen(openFound(found));
    load(A, B);
    const port = await openFound(found);
    expect(await statesOf(port)).toEqual(["Trusted", "Trusted"]);
    unload();
    await expect(port.list()).rejects.toMatchObject({ code: "BACKEND_GONE" });
    await port.close();
    await expect(openFound(found)).rejects.toMatchObject({ code: "DRIVER_MISSING" });
    load();
    expect(await statesOf(await openFound(found))).toEqual(["Unknown", "Unknown"]);
  });

  it("proves nothing when its lines could not be read in its time", async () => {
    const port = createTdxHost(twoUnits());
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    isReadable = false;
    load(A, B);
    expect(await statesOf(port)).toEqual(["Unknown", "Unknown"]);
    unload();
    load();
    isReadable = true;
    expect(await statesOf(port)).toEqual(["Unknown", "Unknown"]);
  });

  describe("that nobody watched", () => {
    const C = "0x3000";
    const threeUnits = (): TdxHostOptions => units(...[A, B, C].map((regBase, index) => aHostUnit({ regBase, kernelName: `dmar${index}` })));
    const missing = async (port: SeamcallPort): Promise<unknown> => (await port.list()).units.map((unit) => unit.missing);
    const restarted = (found: TdxHostOptions, loads: ReadonlySet<string>): TdxHostOptions => {
      found.watch.believe(loads);
      return found;
    };
    beforeEach(() => addUnit("dmar2"));

    it("proves nothing of the units that it set up and the present one silently passed over, nor of any other", async () => {
      load(A, B);
      unload();
      load(C);
      const port = createTdxHost(threeUnits());
      expect(await statesOf(port)).toEqual(["Unknown", "Unknown", "Unknown"]);
      expect(await missing(port)).toEqual(["WatchedLoad", "WatchedLoad", "WatchedLoad"]);
    });

    it("is one of two that came while the agent was stopped, and neither proves anything", async () => {
      const port = createTdxHost(threeUnits());
      expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted", "Untrusted"]);
      load(A, B);
      unload();
      load(C);
      expect(await statesOf(port)).toEqual(["Unknown", "Unknown", "Unknown"]);
      expect(await missing(port)).toEqual(["WatchedLoad", "WatchedLoad", "WatchedLoad"]);
      unload();
      load(A, C);
      expect(await statesOf(port)).toEqual(["Trusted", "Unknown", "Trusted"]);
    });

    it("leaves the units of a kernel that logs their addresses unknown, also when it is the only one", async () => {
      load(A, B, C);
      const port = createTdxHost(threeUnits());
      expect(await statesOf(port)).toEqual(["Unknown", "Unknown", "Unknown"]);
      expect(await missing(port)).toEqual(["WatchedLoad", "WatchedLoad", "WatchedLoad"]);
    });

    it("is the ordinary one, at boot and long before the agent: a kernel that names its units halves their domain ids, and they are trusted", async () => {
      make(DRIVER);
      for (const name of ["dmar0", "dmar1"]) say(`DMAR: Trusted IOMMU for TEE initialized on ${name}`);
      addTsm();
      const halved = { domainsSupported: 32_768 };
      const port = createTdxHost(
        units(
          aHostUnit({ regBase: A, kernelName: "dmar0", ...halved }),
          aHostUnit({ regBase: B, kernelName: "dmar1" }),
          aHostUnit({ regBase: C, kernelName: "dmar2", ...halved }),
        ),
      );
      // The second was cleared and passed over since, the third was never set up.
      expect(await statesOf(port)).toEqual(["Trusted", "Unknown", "Unknown"]);
      expect(await missing(port)).toEqual([null, "WatchedLoad", "Evidence"]);
    });

    it("is the ordinary one, at boot and long before the agent: a driver that is built in has one load, and its units are trusted", async () => {
      write("proc/modules", "kvm_intel 413696 0 - Live 0x0000000000000000\n");
      load(A, B);
      expect(await statesOf(createTdxHost(threeUnits()))).toEqual(["Trusted", "Trusted", "Unknown"]);
    });

    it("is known to the process after the one that watched it, with the lines that are not its own", async () => {
      const first = threeUnits();
      await seen(openFound(first));
      load(A, B);
      expect(await statesOf(createTdxHost(first))).toEqual(["Trusted", "Trusted", "Unknown"]);
      unload();
      await seen(openFound(first));
      load(C);
      expect(await statesOf(createTdxHost(first))).toEqual(["Unknown", "Unknown", "Trusted"]);

      const loads = first.watch.watched();
      expect(await statesOf(createTdxHost(restarted(threeUnits(), loads)))).toEqual(["Unknown", "Unknown", "Trusted"]);
      // And to the one after that.
      const second = restarted(threeUnits(), loads);
      await statesOf(createTdxHost(second));
      expect(second.watch.watched()).toEqual(loads);
      // Without it, or once another load is there, nothing is known.
      expect(await statesOf(createTdxHost(threeUnits()))).toEqual(["Unknown", "Unknown", "Unknown"]);
      unload();
      load(C);
      expect(await statesOf(createTdxHost(restarted(threeUnits(), loads)))).toEqual(["Unknown", "Unknown", "Unknown"]);
    });

    it("is not passed on", async () => {
      load(A, B);
      const found = threeUnits();
      await statesOf(createTdxHost(found));
      expect(found.watch.watched()).toEqual(new Set());
    });
  });

  it("proves nothing of a unit that went and came back, nor of one that has its name now", async () => {
    const port = createTdxHost(twoUnits());
    expect(await statesOf(port)).toEqual(["Untrusted", "Untrusted"]);
    load(A);
    say("DMAR: Trusted IOMMU for TEE initialized on dmar1");
    expect(await statesOf(port)).toEqual(["Trusted", "Trusted"]);
    for (const kernelName of ["dmar0", "dmar1"]) {
      remove(`sys/class/iommu/${kernelName}`);
      addUnit(kernelName);
    }
    expect(await statesOf(port)).toEqual(["Unknown", "Unknown"]);
    // Nor for one that looks for the first time.
    expect(await statesOf(createTdxHost(twoUnits()))).toEqual(["Unknown", "Unknown"]);
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
    await expect(openFound(host()).then((port) => port.list())).rejects.toMatchObject({ code: "DRIVER_FAILED" });
  });
});
