// SPDX-License-Identifier: Apache-2.0
// What the administrator of the machine does in it, as lines of its shell. Modules lie in the root of its disk.
import { join } from "node:path";
import type { Environment } from "../../cluster/environment.ts";
import type { Progress } from "../../cluster/progress.ts";
import type { Kernel } from "../kit/kernels.ts";
import { ensureModules } from "../kit/modules.ts";
import { ensureVfioModules, LOAD_VFIO, VFIO_MODULES } from "../kit/vfio.ts";
import type { Contents } from "../vm/initramfs.ts";

/** The machine's endpoints that can be offered, each below a root port of its own. */
export const DEVICES = ["0000:01:00.0", "0000:02:00.0"] as const;

const OURS = ["tdx_iommu.ko", "tdx_connect_sim.ko"];
const SIM = "/sys/kernel/debug/tdx_connect_sim";
const device = (address: string, file: string): string => `/sys/bus/pci/devices/${address}/${file}`;

/** The simulated TDX module's own table. */
export const TABLE = `cat ${SIM}/table`;

/** The driver, and the simulated TDX module below it, which takes devices off the bus and puts them back. */
export const LOAD_OURS = OURS.map((name) => `insmod /${name}`).join(" && ");

/** VFIO, and every device given to it. */
export const GIVE_TO_VFIO = [
  LOAD_VFIO,
  ...DEVICES.map((address) => `echo vfio-pci > ${device(address, "driver_override")} && echo ${address} > /sys/bus/pci/drivers_probe`),
].join(" && ");

/** From now on no SETUP comes to an end: each is interrupted, and resumed, until it is let go on. */
export const HOLD_SETUP = `echo leaf=setup unit=any status=0x8000000300000000 delay_ms=150 count=4000000000 > ${SIM}/fault`;
export const LET_SETUP_GO_ON = `echo clear > ${SIM}/fault`;
/** The TDX module is loaded anew, and knows of no unit. */
export const LOSE_UNITS = `echo lost > ${SIM}/environment`;

/** Everything above while the agent sleeps: it would be faster than the line that holds SETUP. */
export const PREPARE_WITH_SETUP_HELD = `kill -STOP $(pidof node) && ${LOAD_OURS} && ${HOLD_SETUP} && ${GIVE_TO_VFIO} && kill -CONT $(pidof node)`;

/** The modules, built if needed, for the machine's disk. @throws with the compiler's words */
export async function machineContents(kernel: Kernel, environment: Environment, progress: Progress): Promise<Contents> {
  const ours = await ensureModules(kernel, environment);
  const vfio = await ensureVfioModules(kernel, environment, progress);
  return {
    ...Object.fromEntries(OURS.map((name) => [name, join(ours.folder, name)])),
    ...Object.fromEntries(VFIO_MODULES.map((name) => [name, join(vfio, name)])),
  };
}
