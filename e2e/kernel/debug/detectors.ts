// SPDX-License-Identifier: Apache-2.0
// What the debug kernel's detectors have to say. Each answer is a list of findings: empty is good.
import { fileURLToPath } from "node:url";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import type { ModuleSource } from "../kit/modules.ts";
import { complaintsIn, type Vm } from "../vm/vm.ts";

const KMEMLEAK = "/sys/kernel/debug/kmemleak";
/** Emulated, and with every memory access checked. */
export const SLOW_MS = 900_000;
/** An object is reported at 5 seconds of age, by the second scan that does not see it change. */
const LEAK_MS = 600_000;

/** Of the planted leak's eight objects: one may look reachable by an address that stands on a stack by chance. */
const ENOUGH = 7;

/** `planted.ko`: defects on demand. */
export const PLANTED: ModuleSource = {
  name: "planted",
  folder: fileURLToPath(new URL("planted", import.meta.url)),
  rooms: ["Kbuild", "planted.c"],
  variables: [],
};

/** Loads it, and lets it commit one of them. */
export const LOAD_PLANTED = "insmod /planted.ko";
export const plant = (fault: string): string => `echo ${fault} > /sys/module/planted/parameters/fault`;

/** That kmemleak is there, and how many leaks there are: which, is for `leaks` to say. */
const COUNTED = /kmemleak: (Kernel memory leak detector initialized|\d+ new suspected)/;

/** The log's reports, and whether lockdep still looks: it turns itself off with its first report and with some of others. */
export async function reports(vm: Vm): Promise<readonly string[]> {
  const stats = await vm.run("cat /proc/lockdep_stats");
  const isOn = /debug_locks: +1$/m.test(stats);
  return [...reportsIn(await vm.run("dmesg")), ...(isOn ? [] : ["lockdep has turned itself off"])];
}

/** A log's reports. */
export function reportsIn(log: string): readonly string[] {
  return complaintsIn(log).filter((line) => !COUNTED.test(line));
}

/** Forgets what the kernel itself has lost so far: everything found later is the tests'. */
export async function forgetLeaks(vm: Vm): Promise<void> {
  await vm.run(`echo scan > ${KMEMLEAK} && echo clear > ${KMEMLEAK}`, SLOW_MS);
}

/** kmemleak's reports, one each. */
async function scanLeaks(vm: Vm): Promise<readonly string[]> {
  await vm.run(`echo scan > ${KMEMLEAK}`, SLOW_MS);
  const found = await vm.run(`cat ${KMEMLEAK}`, SLOW_MS);
  return found
    .split(/^(?=unreferenced object)/m)
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

/**
 * What has been leaked up to now. A leak planted last shows when the scans have seen enough: what is older would be reported with it.
 * `planted.ko` must be loaded.
 */
export async function leaks(vm: Vm): Promise<readonly string[]> {
  await vm.run(plant("leak"));
  return waitUntil(
    "kmemleak's report of the planted leak",
    async () => {
      const found = await scanLeaks(vm);
      const others = found.filter((one) => !isPlanted(one));
      const planted = found.length - others.length;
      // Fewer: kmemleak meets stale pointers (say, of the slabs' sheaves), and would miss ours for them, too.
      return planted >= ENOUGH ? met(others) : notYet<readonly string[]>(`${planted} planted and ${others.length} other leaks`);
    },
    { deadlineMs: LEAK_MS, everyMs: 1_000 },
  );
}

const isPlanted = (report: string): boolean => report.includes("[planted]");

/** Pages that a function of a module has allocated and nobody has freed, one record each. kmemleak does not know of pages. */
export async function pagesOf(vm: Vm, allocator: string): Promise<readonly string[]> {
  const records = await vm.run(`cat /sys/kernel/debug/page_owner | awk 'BEGIN { RS = "" } / ${allocator}\\+/ { print; print "" }'`, SLOW_MS);
  return records
    .split("\n\n")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}
