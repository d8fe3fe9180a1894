// SPDX-License-Identifier: Apache-2.0

/**
 * Looks at a kernel that may own SETUP, and remembers what it saw. There is one for the life of the process, beyond that of a port: ports come and go
 * with the TSM, and the log that a new one would read has the lines of those before.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { AppError, faultOf } from "../../runtime/errors.ts";
import type { LoadsPort } from "../port.ts";
import type { Arrivals } from "./arrivals.ts";
import { isBuiltIn } from "./built-in.ts";
import { DEVICE } from "./device.ts";
import type { KernelEvidence } from "./evidence.ts";
import { type KernelLog, openKernelLog } from "./kernel-log.ts";
import { believe, type Past, remember, sumOf, watchedLoad } from "./past.ts";
import { linesOfLastLoad } from "./setup-lines.ts";
import { loadFromText, textOfLoad, type WatchedLoad } from "./watched-load.ts";

export interface KernelWatch extends LoadsPort {
  /** @throws DRIVER_FAILED when the driver's directory can't be read */
  look(): KernelEvidence;
  /** Number of the unit's directory; null when it has none or it can't be read. */
  incarnationOfUnit(kernelName: string): bigint | null;
}

export interface KernelWatchOptions {
  /** `/` on a real node. */
  readonly root: string;
  readonly log?: KernelLog;
  readonly arrivals: Arrivals;
  /** The number of a directory: greater than those of all made before it, as sysfs has it (kernfs: fs/kernfs/dir.c). Null when there is none. */
  readonly incarnationOf?: (path: string) => bigint | null;
}

export function createKernelWatch(options: KernelWatchOptions): KernelWatch {
  const { root, arrivals, log = openKernelLog(join(root, "dev/kmsg")), incarnationOf = inodeOf } = options;
  let past: Past | null = null;
  let proven: readonly WatchedLoad[] = [];
  const driver = (): Pick<KernelEvidence, "load" | "tsm"> => {
    try {
      const folder = join(root, DEVICE, "tsm");
      const name = namesIn(folder).find((entry) => /^tsm\d+$/.test(entry));
      const incarnation = name === undefined ? null : incarnationOf(join(folder, name));
      return { load: incarnationOf(join(root, DEVICE)), tsm: name === undefined || incarnation === null ? null : { name, incarnation } };
    } catch (thrown) {
      throw new AppError("DRIVER_FAILED", `${DEVICE} cannot be read: ${faultOf(thrown)}`, { cause: thrown });
    }
  };
  return {
    look() {
      let arrived: number | null = 0;
      for (;;) {
        const before = driver();
        const read = log.read();
        const now = driver();
        // Last: a TSM that was seen is of a load whose coming has been told by now (drivers/base/core.c, device_add: told before it is probed).
        arrived = sumOf(arrived, arrivals.take());
        // What was read while one load gave way to another can't be said to be of either.
        if (before.load !== now.load || before.tsm?.incarnation !== now.tsm?.incarnation) continue;
        const look = { load: now.load, tsm: now.tsm?.incarnation ?? null, newest: read.kind === "Read" ? read.newest : null, arrived };
        past = believe(remember(past, look), proven);
        const whole = past.isWatched ? "Watched" : now.load !== null && isBuiltIn(root) ? "BuiltIn" : null;
        if (read.kind === "Unreadable") return { ...now, whole, log: read };
        return { ...now, whole, log: { kind: "Read", lines: past.over === null ? [] : linesOfLastLoad(read.lines, past.over) } };
      }
    },
    believe(loads) {
      proven = [...loads].map(loadFromText).filter((load) => load !== null);
    },
    watched() {
      const load = watchedLoad(past);
      return new Set(load === null ? [] : [textOfLoad(load)]);
    },
    incarnationOfUnit(kernelName) {
      try {
        return incarnationOf(join(root, "sys/class/iommu", kernelName));
      } catch {
        return null;
      }
    },
  };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    if (isAbsent(thrown)) return [];
    throw thrown;
  }
}

/** Its times say when it was first looked at, not when it was made. */
function inodeOf(path: string): bigint | null {
  try {
    return statSync(path, { bigint: true }).ino;
  } catch (thrown) {
    if (isAbsent(thrown)) return null;
    throw thrown;
  }
}

function isAbsent(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR" || thrown.code === "ENODEV");
}
