// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sysfsBinds } from "../../src/bind/sysfs.ts";
import type { BindTarget } from "../../src/domain/binds/work.ts";
import { createScratch, type Scratch } from "../support/scratch.ts";

const DEVICE = "0000:17:00.0";
const BUS = "sys/bus/pci";
const FUNCTION = `${BUS}/devices/${DEVICE}`;

let host: Scratch;
beforeEach(() => {
  host = createScratch();
  host.file(`${FUNCTION}/driver_override`, "(null)\n");
  host.file(`${BUS}/drivers_probe`, "");
  for (const driver of ["nvme", "vfio-pci"]) host.file(`${BUS}/drivers/${driver}/unbind`, "");
});
afterEach(() => host.remove());

const at = (path: string): string => join(host.path, path);
const text = (path: string): string => readFileSync(at(path), "utf8");
/** What a kernel takes from a write; a file of a tree keeps what is behind it. */
const firstLine = (path: string): string => text(path).split("\n")[0] ?? "";
const hasDriver = (name: string): void => host.link(`${FUNCTION}/driver`, `../../drivers/${name}`);
const change = (to: BindTarget, signal = new AbortController().signal, onStart: (pid: number) => void = () => undefined) =>
  sysfsBinds(host.path).change({ address: DEVICE, to }, signal, onStart);

/** Every write to the file is refused with ENOSPC. */
function refuse(path: string): void {
  rmSync(at(path));
  execFileSync("mknod", [at(path), "c", "1", "7"]);
}

// A tree of files changes no driver by itself: what a kernel makes of the writes is in e2e/kernel.
describe("the writer of drivers", () => {
  it("overrides, unbinds, probes, and says when vfio-pci has not taken the function", async () => {
    hasDriver("nvme");
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: "driver", errno: "ENODEV" });
    expect([text(`${FUNCTION}/driver_override`), text(`${BUS}/drivers/nvme/unbind`)]).toEqual(["vfio-pci", DEVICE]);
  });

  it("probes a function without a driver, and unbinds nothing", async () => {
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: "driver", errno: "ENODEV" });
    expect([text(`${BUS}/drivers_probe`), text(`${BUS}/drivers/nvme/unbind`)]).toEqual([DEVICE, ""]);
    expect(await change("Native")).toEqual({ kind: "Changed" });
  });

  it("leaves vfio-pci where it is, and another driver when the function is to have its own", async () => {
    hasDriver("vfio-pci");
    expect(await change("Vfio")).toEqual({ kind: "Changed" });
    expect([text(`${BUS}/drivers/vfio-pci/unbind`), text(`${BUS}/drivers_probe`)]).toEqual(["", ""]);
    rmSync(at(`${FUNCTION}/driver`));
    hasDriver("nvme");
    expect(await change("Native")).toEqual({ kind: "Changed" });
    expect([firstLine(`${FUNCTION}/driver_override`), text(`${BUS}/drivers/nvme/unbind`)]).toEqual(["", ""]);
  });

  it("takes vfio-pci away, and clears the override first", async () => {
    hasDriver("vfio-pci");
    await change("Native");
    expect([firstLine(`${FUNCTION}/driver_override`), text(`${BUS}/drivers/vfio-pci/unbind`)]).toEqual(["", DEVICE]);
  });

  it.each([
    ["driver_override", `${FUNCTION}/driver_override`],
    ["unbind", `${BUS}/drivers/nvme/unbind`],
  ])("says that %s was refused, and goes no further", async (file, path) => {
    hasDriver("nvme");
    refuse(path);
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: file, errno: "ENOSPC" });
    expect(text(`${BUS}/drivers_probe`)).toBe("");
  });

  it("says that drivers_probe was refused, and that there is no such function", async () => {
    refuse(`${BUS}/drivers_probe`);
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: "drivers_probe", errno: "ENOSPC" });
    rmSync(at(FUNCTION), { recursive: true });
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: "driver_override", errno: "ENOENT" });
  });

  it("asks for each whole disk of the function, and writes nothing where it cannot be told who uses one", async () => {
    hasDriver("nvme");
    for (const disk of ["nvme/nvme0/nvme0n1", "nvme/nvme0/nvme0n2"]) host.link(`${FUNCTION}/${disk}/subsystem`, "../../../../../../../class/block");
    host.link(`${FUNCTION}/nvme/nvme0/nvme0n1/nvme0n1p1/subsystem`, "../../../../../../../../class/block");
    host.file(`${FUNCTION}/nvme/nvme0/nvme0n1/nvme0n1p1/partition`, "1\n");
    host.file("dev/nvme0n1", "");
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: "disk", errno: "ENOENT" });
    expect([text(`${FUNCTION}/driver_override`), text(`${BUS}/drivers/nvme/unbind`)]).toEqual(["(null)\n", ""]);
    host.file("dev/nvme0n2", "");
    expect(await change("Vfio")).toEqual({ kind: "Refused", at: "driver", errno: "ENODEV" });
  });

  it("tells its pid, and is not waited for any more when the agent stops", async () => {
    hasDriver("nvme");
    rmSync(at(`${BUS}/drivers/nvme/unbind`));
    // Opening it for writing waits for a reader, as an unbind waits for a driver.
    execFileSync("mkfifo", [at(`${BUS}/drivers/nvme/unbind`)]);
    const stop = new AbortController();
    const pid = Promise.withResolvers<number>();
    const ended = change("Vfio", stop.signal, pid.resolve);
    expect(readFileSync(`/proc/${await pid.promise}/stat`, "utf8")).toContain(`${await pid.promise}`);
    stop.abort();
    expect(await ended).toEqual({ kind: "Unanswered", why: "the agent is stopping" });
  });

  it("says so when there is no helper", async () => {
    const binds = sysfsBinds(host.path, "/nowhere/driver-writer");
    const end = await binds.change({ address: DEVICE, to: "Vfio" }, new AbortController().signal, () => undefined);
    expect(end).toMatchObject({ kind: "Unanswered", why: expect.stringContaining("driver-writer cannot be started") });
  });
});
