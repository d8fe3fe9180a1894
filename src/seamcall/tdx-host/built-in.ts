// SPDX-License-Identifier: Apache-2.0

/** Whether the kernel's driver is part of the kernel itself: then there is one load of it in a boot. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The module of the driver, and the one that poses as it in tests. */
const MODULES = ["tdx_host", "tdx_connect_sim"];

/**
 * True when the driver is there (which the caller has seen) and no module has brought it: `/proc/modules` lists every module that is loaded, in any
 * container. Where that can't be read, nothing is known, and that is no.
 */
export function isBuiltIn(root: string): boolean {
  const listed = namesIn(join(root, "proc/modules"));
  // A module has this file, what is built in has not (kernel/module/main.c, modinfo_attrs).
  return listed !== null && MODULES.every((name) => !listed.has(name) && !existsSync(join(root, "sys/module", name, "initstate")));
}

function namesIn(path: string): ReadonlySet<string> | null {
  try {
    return new Set(
      readFileSync(path, "utf8")
        .split("\n", 10_000)
        .map((line) => line.split(" ", 1)[0] ?? ""),
    );
  } catch {
    return null;
  }
}
