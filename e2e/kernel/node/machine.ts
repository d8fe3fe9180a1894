// SPDX-License-Identifier: Apache-2.0
// What the administrator of the machine does in it, as lines of its shell. Modules lie in the root of its disk.
import type { Environment } from "../../cluster/environment.ts";
import type { Progress } from "../../cluster/progress.ts";
import type { Kernel } from "../kit/kernels.ts";
import { ensureModules, LOAD_PROJECT } from "../kit/modules.ts";
import { HOLD_SETUP } from "../kit/simulator.ts";
import { ensureVfioModules, giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import type { Contents } from "../vm/initramfs.ts";

/** The machine's endpoints that can be offered, each below a root port of its own. */
export const DEVICES = ["0000:01:00.0", "0000:02:00.0"] as const;

/** VFIO, and every device given to it. */
const GIVE_TO_VFIO = [LOAD_VFIO, ...DEVICES.map(giveToVfio)].join(" && ");

/** Everything above while the agent sleeps: it would be faster than the line that holds SETUP. */
export const PREPARE_WITH_SETUP_HELD = `kill -STOP $(pidof node) && ${LOAD_PROJECT} && ${HOLD_SETUP} && ${GIVE_TO_VFIO} && kill -CONT $(pidof node)`;

/** The modules, built if needed, for the machine's disk. @throws with the compiler's words */
export async function machineContents(kernel: Kernel, environment: Environment, progress: Progress): Promise<Contents> {
  const ours = await ensureModules(kernel, environment);
  return { ...ours.contents, ...(await ensureVfioModules(kernel, environment, progress)) };
}
