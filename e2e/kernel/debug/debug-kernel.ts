// SPDX-License-Identifier: Apache-2.0
// A small kernel with lockdep, KASAN, kmemleak and their like, built from Debian's own source of the chroot's kernel. Debian's kernels have
// them off: they cost too much.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../cluster/command.ts";
import type { Environment } from "../../cluster/environment.ts";
import type { Progress } from "../../cluster/progress.ts";
import { inChroot } from "../kit/chroot.ts";
import type { Kernel } from "../kit/kernels.ts";

const FRAGMENT = readFileSync(fileURLToPath(new URL("kernel.config", import.meta.url)), "utf8");
/** What building a kernel takes beyond building modules. */
const PACKAGES = ["flex", "bison", "bc", "libelf-dev"];
/** Of the chroot: nothing that a compiler looks at. */
const LEFT_OUT = ["usr/src", "usr/lib/modules", "usr/share/doc", "usr/share/man", "usr/share/qemu", "boot", "var/cache/apt/archives"];
const COMPILER = "CC=gcc-16 HOSTCC=gcc-16";
/** Of the built tree: what modules are built with. The rest is 2 GB. */
const KEPT = ["Makefile", ".config", "Module.symvers", "include", "scripts", "arch/x86/Makefile", "arch/x86/include", "tools/objtool/objtool"];
const BOOTED = "arch/x86/boot/bzImage";

const BUILD_MS = 7_200_000;
const MODULES_MS = 300_000;

export interface DebugKernelPlan {
  readonly chroot: string;
  /** The chroot's kernel: the debug kernel is of the same version. */
  readonly like: Kernel;
  readonly environment: Environment;
  readonly progress: Progress;
}

/** The kernel, built when it is not there: a quarter of an hour on two processors, and some 3 GB while it lasts. @throws with make's words */
export async function ensureDebugKernel(plan: DebugKernelPlan): Promise<Kernel> {
  const { chroot, like, environment, progress } = plan;
  const compiler = await inChroot(chroot, "gcc-16 --version", { timeoutMs: 10_000 });
  const recipe = JSON.stringify([like.release, compiler, FRAGMENT, PACKAGES, COMPILER, KEPT]);
  const key = createHash("sha256").update(recipe).digest("hex").slice(0, 16);
  const folder = join(environment.cacheFolder, "kernel", `debug-${like.name}-${key}`);
  if (!existsSync(folder)) {
    progress(`building a kernel ${like.name} with the kernel's own detectors: a quarter of an hour, once`);
    await build({ ...plan, key }, folder);
    progress(`the debug kernel is in ${folder}`);
  }
  return debugKernel(chroot, folder, like.name);
}

function debugKernel(chroot: string, folder: string, name: string): Kernel {
  const tree = join(folder, "tree");
  return {
    name,
    release: readFileSync(join(tree, "include/config/kernel.release"), "utf8").trim(),
    image: join(folder, basename(BOOTED)),
    // Everything is built in.
    modules: join(folder, "modules"),
    build: (source, variables) =>
      inChroot(chroot, `make -C /mnt M=/build ${COMPILER} ${variables.join(" ")} modules`, {
        timeoutMs: MODULES_MS,
        binds: { [tree]: "/mnt", [source]: "/build" },
      }),
  };
}

async function build(plan: DebugKernelPlan & { key: string }, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(join(dirname(folder), "building-"));
  try {
    const tools = await makeTools(plan, building);
    const tree = join(building, "source");
    await unpack(plan, tree);
    // Modules are kept by the kernel's release: another configuration is another one.
    await writeFile(join(tree, "fragment"), `${FRAGMENT}CONFIG_LOCALVERSION="-debug-${plan.key}"\n`);
    const inTree = (line: string): Promise<string> => inChroot(tools, `cd /mnt && ${line}`, { timeoutMs: BUILD_MS, binds: { [tree]: "/mnt" } });
    await inTree(`make ${COMPILER} KCONFIG_ALLCONFIG=fragment allnoconfig`);
    assertConfigured(readFileSync(join(tree, ".config"), "utf8"));
    plan.progress("its source is unpacked and configured: compiling");
    await inTree(`nice -n 5 make -j$(nproc) ${COMPILER} bzImage modules`);
    await keep(tree, join(building, "kernel"));
    await rename(join(building, "kernel"), folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

/** A copy of the chroot with more packages. Not in the chroot itself: what only this kernel needs would be everybody's to download. */
async function makeTools({ chroot, environment }: DebugKernelPlan, building: string): Promise<string> {
  const tools = join(building, "tools");
  await mkdir(tools);
  const excluded = LEFT_OUT.map((path) => `--exclude=./${path}/*`).join(" ");
  const copy = `tar -C "$0" --one-file-system ${excluded} -cf - . | tar -C "$1" -xpf -`;
  await runCommand(["sh", "-c", copy, chroot, tools], { timeoutMs: 300_000 });
  const apt = "apt-get -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root";
  const env = { ...environment.variables, DEBIAN_FRONTEND: "noninteractive" };
  await inChroot(tools, `${apt} update && ${apt} install --yes --no-install-recommends ${PACKAGES.join(" ")}`, { timeoutMs: 600_000, env });
  return tools;
}

async function unpack({ chroot, like }: DebugKernelPlan, tree: string): Promise<void> {
  const archives = join(chroot, "usr/src");
  const archive = readdirSync(archives).find((name) => name === `linux-source-${like.name}.tar.xz`);
  if (archive === undefined) throw new Error(`no source of Linux ${like.name} in ${archives}`);
  await mkdir(tree);
  await runCommand(["tar", "-C", tree, "-xJf", join(archives, archive), "--strip-components=1"], { timeoutMs: 600_000 });
}

/** kconfig drops in silence what it does not know, and what depends on something that is off. @throws with what was dropped */
function assertConfigured(config: string): void {
  const lines = new Set(config.split("\n"));
  const wanted = FRAGMENT.split("\n").filter((line) => /^(# )?CONFIG_/.test(line));
  const lost = wanted.filter((line) => !lines.has(line));
  if (lost.length > 0) throw new Error(`not in the kernel's configuration: ${lost.join(", ")}`);
}

async function keep(tree: string, kernel: string): Promise<void> {
  await mkdir(join(kernel, "tree"), { recursive: true });
  await mkdir(join(kernel, "modules"));
  const copy = `cd "$0" && tar --exclude='*.o' --exclude='*.cmd' -cf - ${KEPT.join(" ")} | tar -C "$1" -xf -`;
  await runCommand(["sh", "-c", copy, tree, join(kernel, "tree")], { timeoutMs: 120_000 });
  await rename(join(tree, BOOTED), join(kernel, basename(BOOTED)));
}
