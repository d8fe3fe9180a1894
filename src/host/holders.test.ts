// SPDX-License-Identifier: Apache-2.0
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../runtime/clock.ts";
import { createScratch, type Scratch } from "../testing/hosts/scratch.ts";
import { type HolderScan, holdersOf, scanHolders } from "./holders.ts";
import { nextTurn } from "./slices.ts";

let host: Scratch;
beforeEach(() => {
  host = createScratch();
});
afterEach(() => host.remove());

const scan = (proc: string = join(host.path, "proc")): Promise<HolderScan> => scanHolders(proc, { clock: systemClock, pause: nextTurn });

describe("holders of a vfio device", () => {
  it("are the processes with its node open, under whatever path, or its group's", async () => {
    host.link("proc/1/fd/0", "/dev/null");
    host.link("proc/20/fd/7", "/dev/vfio/devices/vfio3");
    host.link("proc/20/fd/8", "/dev/vfio/devices/vfio3");
    host.link("proc/9/fd/7", "/host/dev/vfio/devices/vfio3 (deleted)");
    host.link("proc/30/fd/7", "/dev/vfio/12");
    host.link("proc/40/fd/7", "/dev/vfio/vfio");
    host.link("proc/50/fd/7", "/dev/vfio/devices/vfio33");
    const found = await scan();
    expect(holdersOf({ vfioName: "vfio3", iommuGroup: "12" }, found)).toEqual({ kind: "Known", pids: [9, 20, 30] });
    expect(holdersOf({ vfioName: "vfio4", iommuGroup: null }, found)).toEqual({ kind: "Known", pids: [] });
  });

  it("are unreadable when a live process may not be looked into", async () => {
    host.directory("proc/1/fd");
    host.file("proc/2/fd-is-elsewhere", "");
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
    host.link("proc/2/fd", "fd");
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
  });

  it("are unreadable without a /proc, or with one that lists nobody", async () => {
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
    host.directory("proc/sys");
    expect(await scan()).toMatchObject({ kind: "Unreadable" });
  });

  it("are found by the real kernel's links", async () => {
    mkdirSync(join(host.path, "vfio/devices"), { recursive: true });
    const file = openSync(join(host.path, "vfio/devices/vfio4711"), "w");
    const found = holdersOf({ vfioName: "vfio4711", iommuGroup: null }, await scan("/proc"));
    closeSync(file);
    // Without the right to look into every process the answer is Unreadable, which counts as held.
    if (found.kind === "Known") expect(found.pids).toContain(process.pid);
  });
});
