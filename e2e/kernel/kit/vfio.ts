// SPDX-License-Identifier: Apache-2.0
// VFIO with IOMMUFD for the chroot's kernel. Debian builds its kernels without IOMMUFD, so a device has no device node of its own there: both
// are built as modules, from Debian's own source of that kernel.
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { runCommand } from "../../cluster/command.ts";
import type { Environment } from "../../cluster/environment.ts";
import type { Progress } from "../../cluster/progress.ts";
import type { Contents } from "../vm/initramfs.ts";
import type { Kernel } from "./kernels.ts";

/** In the order in which they are loaded. */
export const VFIO_MODULES = ["irqbypass.ko", "iommufd_driver.ko", "iommufd.ko", "vfio.ko", "vfio-pci-core.ko", "vfio-pci.ko"] as const;

/** Loads them from the root folder of a VM. */
export const LOAD_VFIO = VFIO_MODULES.map((name) => `insmod /${name}${name === "vfio-pci.ko" ? " enable_sriov=1" : ""}`).join(" && ");

/** Gives a function to vfio-pci. */
export const giveToVfio = (address: string): string =>
  `echo vfio-pci > /sys/bus/pci/devices/${address}/driver_override && echo ${address} > /sys/bus/pci/drivers_probe`;

const SOURCES = ["drivers/vfio", "drivers/iommu/iommufd", "drivers/iommu/iommu-priv.h", "lib/interval_tree.c"];
/** What the kernel's configuration would say, to make and to the compiler. */
const VARIABLES = ["CONFIG_IOMMUFD=m", "CONFIG_IOMMUFD_DRIVER=", "CONFIG_IOMMUFD_DRIVER_CORE=m", "CONFIG_VFIO_DEVICE_CDEV=y"];
const LEFT_OUT = ["CONFIG_VFIO_MDEV=", "CONFIG_VFIO_PLATFORM_BASE=", "CONFIG_VFIO_IOMMU_TYPE1="];
const DEFINES = ["IOMMUFD_MODULE", "IOMMUFD_DRIVER_CORE", "IOMMUFD_DRIVER", "INTERVAL_TREE_SPAN_ITER", "VFIO_DEVICE_CDEV"];
const FLAGS = `"KCFLAGS=${DEFINES.map((name) => `-DCONFIG_${name}=1`).join(" ")}"`;

/** The kernel has interval trees but not their spans: both again, and nothing exported. */
const SPANS = `// SPDX-License-Identifier: GPL-2.0
#include <linux/export.h>
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(symbol)
#include "../../../lib/interval_tree.c"
`;
const ADDED_OBJECTS = "iommufd-y += spans.o\\niommufd_driver-y += iova_bitmap.o\\n";

/** VFIO_MODULES, for the root of a VM; made when they are not there: about 40 s. @throws with tar's, make's or the compiler's words */
export async function ensureVfioModules(kernel: Kernel, environment: Environment, progress: Progress): Promise<Contents> {
  const recipe = JSON.stringify([kernel.release, SOURCES, VARIABLES, LEFT_OUT, FLAGS, SPANS, ADDED_OBJECTS]);
  const key = createHash("sha256").update(recipe).digest("hex").slice(0, 16);
  const folder = join(environment.cacheFolder, "kernel", `vfio-${kernel.name}-${key}`);
  if (!existsSync(folder)) {
    progress(`building VFIO with IOMMUFD for ${kernel.release}`);
    await build(kernel, folder);
  }
  return Object.fromEntries(VFIO_MODULES.map((name) => [name, join(folder, name)]));
}

async function build(kernel: Kernel, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(join(dirname(folder), "building-"));
  try {
    const source = join(building, "source");
    await mkdir(source);
    await unpack(kernel, source);
    await kernel.build(source, ["-j2", ...VARIABLES, ...LEFT_OUT, FLAGS]);
    const modules = join(building, "modules");
    await mkdir(modules);
    for (const name of VFIO_MODULES) await collect(name, { kernel, source, modules });
    await rename(modules, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function unpack(kernel: Kernel, source: string): Promise<void> {
  const archives = join(kernel.modules, "../../../usr/src");
  const archive = readdirSync(archives).find((name) => name === `linux-source-${kernel.name}.tar.xz`);
  if (archive === undefined) throw new Error(`no source of Linux ${kernel.name} in ${archives}`);
  const wanted = SOURCES.map((path) => `*/${path}`);
  const argv = ["tar", "-C", source, "-xJf", join(archives, archive), "--strip-components=1", "--wildcards", ...wanted];
  await runCommand(argv, { timeoutMs: 120_000 });
  const iommufd = join(source, "drivers/iommu/iommufd");
  await writeFile(join(iommufd, "spans.c"), SPANS);
  await runCommand(["sh", "-c", `printf '${ADDED_OBJECTS}' >> "$0"`, join(iommufd, "Makefile")]);
  await writeFile(join(source, "Kbuild"), "obj-m += drivers/vfio/ drivers/iommu/iommufd/\n");
}

/** Ours, or the kernel package's own, which is compressed. */
async function collect(name: string, at: { kernel: Kernel; source: string; modules: string }): Promise<void> {
  const { stdout } = await runCommand(["find", at.source, join(at.kernel.modules, "kernel"), "-name", name, "-o", "-name", `${name}.xz`]);
  const [found] = stdout.trim().split("\n");
  if (found === undefined || found === "") throw new Error(`no ${name} was built, and ${at.kernel.release} has none`);
  const target = join(at.modules, name);
  if (basename(found) === name) await copyFile(found, target);
  else await runCommand(["sh", "-c", 'xz -dc "$0" > "$1"', found, target]);
}
