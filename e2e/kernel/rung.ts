// SPDX-License-Identifier: Apache-2.0
// What a test file of the kernel rung begins with: may it run here, and with what.
import { type Environment, readEnvironment } from "../cluster/environment.ts";
import { findProgram, installPackages } from "../cluster/packages.ts";
import { type Progress, startProgress } from "../cluster/progress.ts";
import { ensureChroot } from "./kit/chroot.ts";
import { ensureOldKernel, type Kernel, newKernel } from "./kit/kernels.ts";

/** Programs of this machine's Debian that make the rest. */
const PACKAGES = [
  { name: "debootstrap", proof: "debootstrap" },
  { name: "busybox-static", proof: "busybox" },
  { name: "gcc", proof: "gcc" },
  { name: "make", proof: "make" },
  { name: "util-linux", proof: "setpriv" },
];

export interface Kit {
  readonly chroot: string;
  /** New and old. */
  readonly kernels: readonly [Kernel, Kernel];
}

/** The kit's kernel of that version. @throws when it has none */
export function kernelNamed({ kernels }: Kit, name: string): Kernel {
  const found = kernels.find((kernel) => kernel.name === name);
  if (found === undefined) throw new Error(`the kit has ${kernels.map((kernel) => kernel.name).join(" and ")}, not ${name}`);
  return found;
}

export interface KernelRung {
  readonly environment: Environment;
  readonly progress: Progress;
  /** Why the file's tests are skipped; `null` when they run. In CI nothing is skipped: it fails in `kit`. */
  readonly skipReason: string | null;
  /** Chroot and kernels, made if needed. @throws the reason when the rung cannot run */
  kit(): Promise<Kit>;
}

export async function openKernelRung(): Promise<KernelRung> {
  const environment = readEnvironment();
  const progress = startProgress();
  const reason = await obstacle(environment, progress);
  if (reason !== null) progress(`the kernel rung cannot run: ${reason}`);
  return {
    environment,
    progress,
    skipReason: environment.ci ? null : reason,
    async kit() {
      if (reason !== null) throw new Error(reason);
      const old = await ensureOldKernel(environment, progress);
      const chroot = await ensureChroot(environment, progress);
      return { chroot, kernels: [newKernel(chroot), old] };
    },
  };
}

async function obstacle(environment: Environment, progress: Progress): Promise<string | null> {
  if (process.platform !== "linux" || process.arch !== "x64") return "the kernel rung needs Linux on x86-64";
  if (process.getuid?.() !== 0) return "the kernel rung needs root, for a chroot and mount namespaces";
  const missing = () => PACKAGES.filter((wanted) => findProgram(wanted.proof, environment.variables.PATH ?? "") === null);
  if (missing().length > 0 && environment.installPackages) {
    progress(
      `installing ${missing()
        .map((wanted) => wanted.name)
        .join(", ")}`,
    );
    await installPackages(missing(), environment);
  }
  const names = missing().map((wanted) => wanted.name);
  return names.length === 0 ? null : `missing Debian packages: apt-get install ${names.join(" ")} (or set TRUSTED_IOMMU_E2E_INSTALL=1)`;
}
