// SPDX-License-Identifier: Apache-2.0

/** Opens the drivers. The composition root says which one; only `openFound` probes, and never for the simulator. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Addon, NativeHandle } from "../native/addon.ts";
import { loadAddon } from "../native/addon.ts";
import { fromNative } from "../native/errors.ts";
import { AppError } from "../runtime/errors.ts";
import { bindHandle } from "./addon-driver.ts";
import type { Driver, SeamcallPort } from "./port.ts";
import { createTdxHost, type TdxHostOptions } from "./tdx-host/driver.ts";

export interface OpenOptions {
  /** False: INFO, LIST and changes only, beside the one writer. */
  readonly writable?: boolean;
  /** For tests: another build of the addon. */
  readonly addon?: Addon;
}

/**
 * The simulator over the state directory `dir`, made by `simulation.create`. WRITER_BUSY while another process holds it; DRIVER_MISSING
 * without such a directory; SIMULATION_INVALID when its state can't be read. Unfinished operations of a dead process are finished.
 */
export function openSimulated(dir: string, options: OpenOptions = {}): Promise<SeamcallPort> {
  return opened("simulated", () => (options.addon ?? loadAddon()).openSimulator(dir, options.writable ?? true));
}

/** The kernel module's device node. DRIVER_MISSING without it, NOT_PERMITTED without CAP_SYS_ADMIN, NO_TDX_MODULE, WRITER_BUSY. */
export function openTdxIommu(devicePath: string, options: OpenOptions = {}): Promise<SeamcallPort> {
  if (!existsSync(devicePath)) return Promise.reject(new AppError("DRIVER_MISSING", `${devicePath} is not there: load the kernel module tdx_iommu`));
  return opened("tdx_iommu", () => (options.addon ?? loadAddon()).open(devicePath, options.writable ?? true));
}

/**
 * What `auto` stands for on this host now: the kernel module's device node, else the driver of a kernel that owns TDX Connect, if it has a TSM.
 * @throws DRIVER_MISSING when there is neither. Never the simulator.
 */
export async function openFound(host: TdxHostOptions, options: OpenOptions = {}): Promise<SeamcallPort> {
  const devicePath = join(host.root, "dev/tdx_iommu");
  if (existsSync(devicePath)) return openTdxIommu(devicePath, options);
  // Looked at also while it is not there, so that what a later one finds in the log is known to be older or not.
  if (host.watch.look().tsm !== null) return createTdxHost({ ...host, isFound: true });
  throw new AppError("DRIVER_MISSING", `${devicePath} is not there, and the kernel's own driver tdx_host has no TSM`);
}

async function opened(driver: Driver, open: () => NativeHandle): Promise<SeamcallPort> {
  try {
    return bindHandle(driver, open());
  } catch (thrown) {
    throw fromNative(thrown);
  }
}
