// SPDX-License-Identifier: Apache-2.0

/** Opening a binding. Which driver is wanted the composition root knows: nothing here probes, least of all for the simulator. */
import { AppError } from "../runtime/errors.ts";
import type { Addon, NativeHandle } from "./addon.ts";
import { loadAddon } from "./addon.ts";
import { bindHandle } from "./binding.ts";
import { fromNative } from "./errors.ts";
import type { Driver, SeamcallPort } from "./port.ts";

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
  return opened("tdx_iommu", () => (options.addon ?? loadAddon()).open(devicePath, options.writable ?? true));
}

/** A kernel that owns TDX Connect: DRIVER_NOT_BUILT. */
export async function openTdxHost(): Promise<SeamcallPort> {
  throw new AppError("DRIVER_NOT_BUILT", "the driver tdx_host, for kernels that own TDX Connect, is not built yet: use tdx_iommu");
}

async function opened(driver: Driver, open: () => NativeHandle): Promise<SeamcallPort> {
  try {
    return bindHandle(driver, open());
  } catch (thrown) {
    throw fromNative(thrown);
  }
}
