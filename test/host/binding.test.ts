// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BindingSearch, readBinding } from "../../src/host/binding.ts";
import { hostPaths } from "../../src/host/paths.ts";
import type { ScanDevices } from "../../src/host/processes.ts";
import { createScratch, type Scratch } from "../support/scratch.ts";

const DEVICE = "0000:17:00.0";
const FUNCTION = `sys/bus/pci/devices/${DEVICE}`;
const FREE = { override: "", virtualFunctions: 0, users: [], problem: "" };

let host: Scratch;
beforeEach(() => {
  host = createScratch();
  host.file(`${FUNCTION}/driver_override`, "(null)\n");
  host.file("proc/1/mountinfo", "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n");
  host.file("proc/swaps", "Filename Type Size Used Priority\n");
});
afterEach(() => host.remove());

const read = (over: Partial<BindingSearch> = {}) =>
  readBinding({ paths: hostPaths(host.path), scanDevices: null, deadlineMs: 5_000, ...over }, { address: DEVICE });

function addDisk(name: string, number: string, at = `${FUNCTION}/nvme/nvme0/${name}`): string {
  host.link(`${at}/subsystem`, "../../../../../../class/block");
  if (number !== "") host.file(`${at}/dev`, `${number}\n`);
  host.directory(`${at}/holders`);
  return at;
}

function addCharacter(name: string, number: string): void {
  host.link(`${FUNCTION}/drm/${name}/subsystem`, "../../../../../../class/drm");
  host.file(`${FUNCTION}/drm/${name}/dev`, `${number}\n`);
}

describe("what decides whether a driver can be changed", () => {
  it("is nothing for a function that nobody uses", async () => {
    addDisk("nvme0n1", "259:0");
    host.file(`${FUNCTION}/net/eth9/flags`, "0x1002\n");
    expect(await read()).toEqual(FREE);
  });

  it("is the override and the number of virtual functions", async () => {
    host.file(`${FUNCTION}/driver_override`, "vfio-pci\n");
    host.file(`${FUNCTION}/sriov_numvfs`, "3\n");
    expect(await read()).toEqual({ ...FREE, override: "vfio-pci", virtualFunctions: 3 });
  });

  it("is a mount, of a partition too, and of a file system that has a number of its own", async () => {
    const disk = addDisk("nvme0n1", "259:0");
    addDisk("nvme0n1p1", "259:1", `${disk}/nvme0n1p1`);
    host.file("proc/1/mountinfo", "21 1 259:1 / /boot rw - ext4 /dev/nvme0n1p1 rw\n22 1 0:41 / /data rw shared:1 - btrfs /dev/nvme0n1 rw\n");
    expect((await read()).users).toEqual(["nvme0n1p1 is mounted at /boot", "nvme0n1 is mounted at /data"]);
  });

  it("is swap, and device mapper and RAID above it", async () => {
    const disk = addDisk("nvme0n1", "259:0");
    host.directory(`${disk}/holders/dm-0`);
    host.file("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1 partition 1 0 -2\n");
    expect((await read()).users).toEqual(["nvme0n1 is part of dm-0", "nvme0n1 is swap"]);
  });

  it("is a network interface that is up", async () => {
    host.file(`${FUNCTION}/net/eth9/flags`, "0x1003\n");
    expect((await read()).users).toEqual(["network interface eth9 is up"]);
  });

  // What a search of processes finds is in test/native/device-scan.test.ts.
  it("is a character device that a process has open, or an io_uring keeps", async () => {
    addCharacter("card0", "226:0");
    addCharacter("renderD128", "226:128");
    const asked: unknown[] = [];
    const found = [
      { pid: 12, kind: "Node", major: 226, minor: 128, text: "/dev/dri/by-path/x" },
      { pid: 13, kind: "Registered", major: 0, minor: 0, text: "/dev/dri/card0" },
    ] as const;
    const scanDevices: ScanDevices = async (_proc, wanted) => {
      asked.push(...wanted);
      return { complete: true, why: "", found, files: 2, cpuMs: 0 };
    };
    expect((await read({ scanDevices })).users).toEqual(["/dev/card0 is open in pid 13", "/dev/renderD128 is open in pid 12"]);
    expect(asked).toEqual([
      { major: 226, minor: 0 },
      { major: 226, minor: 128 },
    ]);
  });

  it("is unknown where it cannot be read", async () => {
    addDisk("nvme0n1", "259:0");
    const other = createScratch();
    host.link("other", other.path);
    expect((await read({ paths: { ...hostPaths(host.path), proc: other.path } })).problem).toContain("mountinfo: missing");
    other.remove();
    const scanDevices: ScanDevices = async () => ({ complete: false, why: "out of time", found: [], files: 0, cpuMs: 0 });
    addCharacter("card0", "226:0");
    expect((await read({ scanDevices })).problem).toBe("open files: out of time");
    const broken: ScanDevices = () => Promise.reject(new Error("EMFILE"));
    expect((await read({ scanDevices: broken })).problem).toContain("EMFILE");
  });

  it("is unknown for one of several paths to a disk", async () => {
    addDisk("nvme0c0n1", "");
    expect((await read()).problem).toContain("nvme0c0n1 is one of several paths to a disk");
  });

  it("is no other function's that is below it", async () => {
    addDisk("nvme1n1", "259:9", `${FUNCTION}/0000:18:00.0/nvme/nvme1/nvme1n1`);
    host.file("proc/1/mountinfo", "21 1 259:9 / / rw - ext4 /dev/nvme1n1 rw\n");
    expect(await read()).toEqual(FREE);
  });
});
