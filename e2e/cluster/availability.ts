// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants } from "node:fs";
import { type BinariesPlan, planBinaries } from "./binaries.ts";
import type { Environment } from "./environment.ts";
import { installPackages, missingPackages } from "./packages.ts";
import type { Progress } from "./progress.ts";

/** Whether this machine can run the real cluster: with what, or why not. */
export type Availability = { readonly available: true; readonly plan: BinariesPlan } | { readonly available: false; readonly reason: string };

/** An answer of "no": the rung reports it as skipped, in CI as failed. */
export function unavailable(reason: string): Availability {
  return { available: false, reason };
}

/** Checks everything the cluster needs of the machine; installs missing Debian packages when that is allowed.
 *  Builds nothing: that is left to `ensureBinaries`. */
export async function checkAvailability(environment: Environment, progress: Progress): Promise<Availability> {
  if (process.platform !== "linux") return unavailable("a real cluster needs Linux");
  if (process.getuid?.() !== 0) return unavailable("a real cluster needs root, for namespaces, mounts and cgroups");
  if (!isWritable("/sys/fs/cgroup")) return unavailable("/sys/fs/cgroup cannot be written, so no kubelet can run here");
  const plan = await planBinaries(environment);
  if (plan.kind === "unavailable") return unavailable(plan.reason);
  const searchPath = environment.variables.PATH ?? "";
  const missing = missingPackages(searchPath);
  if (missing.length > 0 && environment.installPackages) {
    progress(`installing ${missing.map((wanted) => wanted.name).join(", ")}`);
    await installPackages(missing, environment);
  }
  const names = missingPackages(searchPath).map((wanted) => wanted.name);
  if (names.length > 0) return unavailable(`missing Debian packages: apt-get install ${names.join(" ")} (or set TRUSTED_IOMMU_E2E_INSTALL=1)`);
  return { available: true, plan };
}

/** Asks whether root may write here without writing: a read-only mount says no. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (["EROFS", "EACCES", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
