// SPDX-License-Identifier: Apache-2.0
// The project's kernel modules, built for one kernel out of a copy of native/, and kept by what they were built from.
import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Environment } from "../../cluster/environment.ts";
import type { Kernel } from "./kernels.ts";

const NATIVE = fileURLToPath(new URL("../../../native", import.meta.url));
/** Below native/: what the modules are made of. */
const ROOMS = ["Kbuild", "dkms.conf", "uapi", "table", "simulator", "module", "connect-sim"];

export interface BuiltModules {
  /** Holds `tdx_iommu.ko` and `tdx_connect_sim.ko`. */
  readonly folder: string;
  /** What the build said. */
  readonly log: string;
}

/** The modules for `kernel`, with the means by which tests make things fail. @throws with the compiler's words */
export async function ensureModules(kernel: Kernel, environment: Environment): Promise<BuiltModules> {
  const folder = join(environment.cacheFolder, "kernel", `modules-${kernel.name}-${keyOf(kernel)}`);
  if (!existsSync(folder)) await build(kernel, folder);
  return { folder, log: readFileSync(join(folder, "build.log"), "utf8") };
}

/** What kbuild reads, in a folder that it may write to. */
export function copyModuleSources(to: string): void {
  for (const room of ROOMS) cpSync(join(NATIVE, room), join(to, room), { recursive: true });
}

async function build(kernel: Kernel, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(join(dirname(folder), "building-"));
  try {
    copyModuleSources(building);
    await writeFile(join(building, "build.log"), await kernel.build(building, ["TDX_TESTING=1"]));
    await rename(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

function keyOf(kernel: Kernel): string {
  const hash = createHash("sha256").update(kernel.release);
  for (const room of ROOMS) {
    for (const file of filesOf(join(NATIVE, room))) hash.update(file.slice(NATIVE.length)).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 16);
}

function filesOf(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}
