// SPDX-License-Identifier: Apache-2.0
// Kernel modules of this project, built for one kernel out of a copy of their sources, and kept by what they were built from.
import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Environment } from "../../cluster/environment.ts";
import type { Contents } from "../vm/initramfs.ts";
import type { Kernel } from "./kernels.ts";

/** One folder that kbuild can build: which of it makes modules, and what make is told. */
export interface ModuleSource {
  /** In the names of cached builds. */
  readonly name: string;
  readonly folder: string;
  /** Files and folders in it. */
  readonly rooms: readonly string[];
  readonly variables: readonly string[];
}

/** `tdx_iommu.ko` and `tdx_connect_sim.ko`, with the means by which tests make things fail. */
export const PROJECT: ModuleSource = {
  name: "modules",
  folder: fileURLToPath(new URL("../../../native", import.meta.url)),
  rooms: ["Kbuild", "dkms.conf", "uapi", "table", "simulator", "module", "connect-sim"],
  variables: ["TDX_TESTING=1"],
};

/** `more_units.ko`: VT-d units that the machine does not have; `other_tsm.ko`, where the kernel has TSMs: another link TSM. */
export const MORE_UNITS: ModuleSource = {
  name: "units",
  folder: fileURLToPath(new URL("../units", import.meta.url)),
  rooms: ["Kbuild", "more_units.c", "other_tsm.c"],
  variables: [],
};

/** Loads those of the project from the root of a VM. */
export const LOAD_PROJECT = "insmod /tdx_iommu.ko && insmod /tdx_connect_sim.ko";
export const UNLOAD_PROJECT = "rmmod tdx_connect_sim && rmmod tdx_iommu";

export interface BuiltModules {
  /** The `.ko` files, for the root of a VM. */
  readonly contents: Contents;
  /** What the build said. */
  readonly log: string;
}

/** The modules for `kernel`. @throws with the compiler's words */
export async function ensureModules(kernel: Kernel, environment: Environment, source: ModuleSource = PROJECT): Promise<BuiltModules> {
  const folder = join(environment.cacheFolder, "kernel", `${source.name}-${kernel.name}-${keyOf(kernel, source)}`);
  if (!existsSync(folder)) await build(kernel, source, folder);
  const names = readdirSync(folder).filter((name) => name.endsWith(".ko"));
  const contents = Object.fromEntries(names.map((name) => [name, join(folder, name)]));
  return { contents, log: readFileSync(join(folder, "build.log"), "utf8") };
}

/** What kbuild reads, in a folder that it may write to. */
export function copyModuleSources(to: string, { folder, rooms }: ModuleSource = PROJECT): void {
  for (const room of rooms) cpSync(join(folder, room), join(to, room), { recursive: true });
}

async function build(kernel: Kernel, source: ModuleSource, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(join(dirname(folder), "building-"));
  try {
    copyModuleSources(building, source);
    await writeFile(join(building, "build.log"), await kernel.build(building, source.variables));
    await rename(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

function keyOf(kernel: Kernel, { folder, rooms }: ModuleSource): string {
  const hash = createHash("sha256").update(kernel.release);
  for (const room of rooms) {
    for (const file of filesOf(join(folder, room))) hash.update(file.slice(folder.length)).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 16);
}

function filesOf(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}
