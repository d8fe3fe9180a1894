// SPDX-License-Identifier: Apache-2.0
// Drivers of the kernel's own for the devices of a VM: what a host has bound before vfio-pci is wanted.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../cluster/command.ts";
import type { Contents } from "../vm/initramfs.ts";
import type { Kernel } from "./kernels.ts";

/** In the order in which they are loaded. */
const MODULES = ["nvme-keyring.ko", "nvme-auth.ko", "nvme-core.ko", "nvme.ko", "i2c-algo-bit.ko", "dca.ko", "igb.ko"] as const;

/** Loads them from the root folder of a VM. */
export const LOAD_NATIVE = MODULES.map((name) => `insmod /${name}`).join(" && ");

/** The modules, for the root of a VM. What is unpacked goes to `folder`. @throws when the kernel does not have one */
export async function nativeModules(kernel: Kernel, folder: string): Promise<Contents> {
  const files = readdirSync(kernel.modules, { recursive: true, encoding: "utf8" });
  const contents: Record<string, string> = {};
  for (const name of MODULES) {
    const packed = files.find((file) => file.endsWith(`/${name}.xz`));
    if (packed === undefined) throw new Error(`${kernel.release} has no module ${name}`);
    await runCommand(["sh", "-c", 'xz -dc "$0" > "$1"', join(kernel.modules, packed), join(folder, name)]);
    contents[name] = join(folder, name);
  }
  return contents;
}
