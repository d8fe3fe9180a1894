// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HeldFunction, type HolderScan, holdersOf, NO_STRAYS, type Strays } from "../../src/host/holders.ts";
import { hostPaths } from "../../src/host/paths.ts";
import { scanHolders } from "../../src/host/processes.ts";
import type { FileReading } from "../../src/host/reading.ts";
import { nextTurn } from "../../src/host/slices.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createScratch, type Scratch } from "../support/scratch.ts";

let host: Scratch;
beforeEach(() => {
  host = createScratch();
  host.link("proc/1/ns/pid", "pid:[4026531836]");
});
afterEach(() => host.remove());

const scan = (): Promise<HolderScan> =>
  scanHolders({ paths: hostPaths(host.path), slices: { clock: systemClock, pause: nextTurn }, scanDevices: null, deadlineMs: 1000 });

const MISSING = { kind: "Missing" } as const;
const UNREADABLE = { kind: "Unreadable", why: "EIO" } as const;
const named = (value: string): FileReading<string> => ({ kind: "Value", value });
const onVfio = (vfioName: string, group: string | null): HeldFunction => ({
  address: "0000:01:00.0",
  driver: named("vfio-pci"),
  vfioName: named(vfioName),
  iommuGroup: group === null ? MISSING : named(group),
});
const search = (scan: HolderScan, strays: Strays = NO_STRAYS) => ({ scan, strays });
const found = (nodes: Readonly<Record<string, readonly number[]>>): HolderScan => ({ kind: "Known", pidsByNode: new Map(Object.entries(nodes)) });

describe("holders of a vfio device", () => {
  it("are the processes with its node open, under whatever path, or its group's", async () => {
    host.link("proc/1/fd/0", "/dev/null");
    host.link("proc/20/fd/7", "/dev/vfio/devices/vfio3");
    host.link("proc/20/fd/8", "/dev/vfio/devices/vfio3");
    host.link("proc/9/fd/7", "/host/dev/vfio/devices/vfio3 (deleted)");
    host.link("proc/30/fd/7", "/dev/vfio/12");
    host.link("proc/40/fd/7", "/dev/vfio/vfio");
    host.link("proc/50/fd/7", "/dev/vfio/devices/vfio33");
    const whole = search(await scan());
    expect(holdersOf(onVfio("vfio3", "12"), whole)).toEqual({ kind: "Known", pids: [9, 20, 30] });
    expect(holdersOf(onVfio("vfio4", null), whole)).toEqual({ kind: "Known", pids: [] });
  });

  it("are unreadable when a live process may not be looked into", async () => {
    host.directory("proc/1/fd");
    host.file("proc/2/fd-is-elsewhere", "");
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
    host.link("proc/2/fd", "fd");
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
  });

  it("are unreadable without a /proc, or with one that lists no process", async () => {
    host.directory("proc/1/fd");
    expect(await scan()).toMatchObject({ kind: "Known" });
    rmSync(join(host.path, "proc/1"), { recursive: true });
    host.directory("proc/sys");
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
    rmSync(join(host.path, "proc"), { recursive: true });
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
  });

  it("are unreadable with a /proc of another PID namespace, which shows some processes only", async () => {
    host.directory("proc/1/fd");
    rmSync(join(host.path, "proc/1/ns/pid"));
    expect(await scan()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("ns/pid") });
    host.link("proc/1/ns/pid", "pid:[4026532614]");
    expect(await scan()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("pid:[4026532614]") });
  });

  it("are those of the address that the kernel names for a device that was opened through its group", () => {
    expect(holdersOf(onVfio("vfio3", "12"), search(found({ "0000:01:00.0": [7] })))).toEqual({ kind: "Known", pids: [7] });
    expect(holdersOf(onVfio("vfio3", "12"), search(found({ "0000:02:00.0": [7] })))).toEqual({ kind: "Known", pids: [] });
  });
});

describe("holders of a function without a vfio name", () => {
  const loose: HeldFunction = { address: "0000:01:00.0", driver: MISSING, vfioName: MISSING, iommuGroup: named("12") };

  it("are those of its group's node, whatever its driver", () => {
    for (const driver of [MISSING, named("nvme"), named("vfio-pci")]) {
      expect(holdersOf({ ...loose, driver }, search(found({ "12": [7] })))).toEqual({ kind: "Known", pids: [7] });
    }
  });

  it.each<[string, Partial<HeldFunction>, string]>([
    ["its driver", { driver: UNREADABLE }, "driver: EIO"],
    ["its vfio-dev", { driver: named("vfio-pci"), vfioName: UNREADABLE }, "vfio-dev: EIO"],
    ["its iommu_group", { iommuGroup: UNREADABLE }, "iommu_group: EIO"],
  ])("are unreadable when %s is", (_what, part, why) => {
    expect(holdersOf({ ...loose, ...part }, search(found({})))).toEqual({ kind: "Unreadable", why });
  });

  it("are unreadable while somebody holds a node that no function has, unless another driver or another group rules it out", () => {
    const device = search(found({ vfio3: [7] }), { device: "a device", group: null });
    const group = search(found({ "44": [7] }), { device: null, group: "a group" });
    const nobody = { kind: "Known", pids: [] };
    expect(holdersOf(loose, device)).toEqual({ kind: "Unreadable", why: "a device" });
    expect(holdersOf({ ...loose, driver: named("vfio-pci") }, device)).toEqual({ kind: "Unreadable", why: "a device" });
    expect(holdersOf({ ...loose, driver: named("nvme") }, device)).toEqual(nobody);
    expect(holdersOf(onVfio("vfio4", "13"), device)).toEqual(nobody);
    expect(holdersOf(loose, group)).toEqual(nobody);
    expect(holdersOf({ ...loose, iommuGroup: MISSING }, group)).toEqual({ kind: "Unreadable", why: "a group" });
  });

  it("are unreadable with the scan, unless another driver has it", () => {
    expect(holdersOf(loose, search(UNREADABLE))).toEqual(UNREADABLE);
    expect(holdersOf({ ...loose, driver: named("nvme") }, search(UNREADABLE))).toEqual({ kind: "Known", pids: [] });
  });
});
