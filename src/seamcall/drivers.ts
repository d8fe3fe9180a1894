// SPDX-License-Identifier: Apache-2.0

/** Opening a binding. Which driver is wanted the composition root knows: nothing here probes, least of all for the simulator. */
import { AppError } from "../runtime/errors.ts";
import type { Addon, NativeHandle } from "./addon.ts";
import { loadAddon } from "./addon.ts";
import { bindHandle } from "./binding.ts";
import { describeNative, fromNative } from "./errors.ts";
import type { SeamcallPort } from "./port.ts";

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
  return opened(() => {
    const handle = openHandle("openSimulator", dir, options);
    return bindHandle("simulated", handle);
  });
}

/** The kernel module's device node. DRIVER_MISSING without it, NOT_PERMITTED without CAP_SYS_ADMIN, NO_TDX_MODULE, WRITER_BUSY. */
export function openTdxIommu(devicePath: string, options: OpenOptions = {}): Promise<SeamcallPort> {
  return opened(() => {
    const handle = openHandle("open", devicePath, options);
    return bindHandle("tdx_iommu", handle);
  });
}

/** A kernel that owns TDX Connect: DRIVER_NOT_BUILT. */
export function openTdxHost(): Promise<SeamcallPort> {
  return opened(() => {
    throw new AppError("DRIVER_NOT_BUILT", "the driver tdx_host, for kernels that own TDX Connect, is not built yet: use tdx_iommu");
  });
}

async function opened(open: () => SeamcallPort): Promise<SeamcallPort> {
  return open();
}

function openHandle(how: "open" | "openSimulator", path: string, options: OpenOptions): NativeHandle {
  const addon = options.addon ?? loadAddon();
  try {
    return addon[how](path, options.writable ?? true);
  } catch (error) {
    throw refusal(error, path, how === "openSimulator");
  }
}

/** At open an errno speaks of the path, not of a unit. */
function refusal(thrown: unknown, path: string, simulated: boolean): AppError {
  const translated = fromNative(thrown);
  const errno = translated.details["errno"];
  const details = { ...translated.details, path };
  const message = `${path}: ${describeNative(thrown)}`;
  if (errno === "ENOENT" || errno === "ENOTDIR") return new AppError("DRIVER_MISSING", message, { details, cause: thrown });
  if (errno === "EACCES") return new AppError("NOT_PERMITTED", message, { details, cause: thrown });
  if (errno === "ENXIO") return new AppError("NO_TDX_MODULE", message, { details, cause: thrown });
  if (errno === "EIO" && simulated) return new AppError("SIMULATION_INVALID", message, { details, cause: thrown });
  return new AppError(translated.code, message, { details, cause: thrown });
}
