// SPDX-License-Identifier: Apache-2.0

/**
 * Starts a process for each way to hold a device node, and prints what a scan of /proc finds of it; to be run as process 1 of a PID namespace with
 * a /proc of its own, where it may look into every process. Arguments: the addon, the holder (native/addon/test/holder.c), a folder.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { hostPaths } from "../../src/host/paths.ts";
import { scanHolders } from "../../src/host/processes.ts";
import { nextTurn } from "../../src/host/slices.ts";
import { loadAddon } from "../../src/native/addon.ts";
import { systemClock } from "../../src/runtime/clock.ts";

const [addonPath = "", holder = "", folder = ""] = process.argv.slice(2);
const addon = loadAddon(addonPath);

/** /dev/full, which hardly any process has open, and /dev/zero, which can be mapped. */
const FULL = 7;
const ZERO = 5;
const WAYS = { open: FULL, thread: FULL, table: FULL, mapped: ZERO, departed: ZERO, ring: FULL } as const;

for (const [way, minor] of Object.entries(WAYS)) {
  const node = join(folder, `${way}-vfio${minor}`, `vfio${minor}`);
  execFileSync("mkdir", [join(folder, `${way}-vfio${minor}`)]);
  execFileSync("mknod", [node, "c", "1", String(minor)]);
  const child = spawn(holder, [way, node], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const scan = await addon.scanDevices("/proc", [{ major: 1, minor }], 60_000);
  const found = scan.found.map(({ pid, kind, text }) => ({ isHolder: pid === child.pid, kind, isNode: text === node }));
  child.kill("SIGKILL");
  await once(child, "exit");
  const after = await addon.scanDevices("/proc", [{ major: 1, minor }], 60_000);
  process.stdout.write(`${JSON.stringify({ way, complete: scan.complete, found, left: after.found.length })}\n`);
}

/** 51 threads that share one table of 2,000 files: it is read once. */
const many = spawn(holder, ["shared", "2000"], { stdio: ["ignore", "pipe", "inherit"] });
await once(many.stdout, "data");
const { files } = await addon.scanDevices("/proc", [], 60_000);
const late = await addon.scanDevices("/proc", [], 0);
many.kill("SIGKILL");
const scanDevices = (): Promise<never> => Promise.reject(new Error("not to be asked"));
const host = await scanHolders({ paths: hostPaths("/"), slices: { clock: systemClock, pause: nextTurn }, scanDevices, deadlineMs: 60_000 });
process.stdout.write(`${JSON.stringify({ isReadOnce: files > 2000 && files < 4000, late: late.complete, why: late.why, host })}\n`);
process.exit(0);
