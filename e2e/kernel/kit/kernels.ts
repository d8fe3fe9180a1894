// SPDX-License-Identifier: Apache-2.0
// The kernels that the modules are built for and run on: the chroot's, and this machine's Debian's.
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "../../cluster/command.ts";
import type { Environment } from "../../cluster/environment.ts";
import type { Progress } from "../../cluster/progress.ts";
import { inChroot } from "./chroot.ts";

export interface Kernel {
  /** `7.2` or `6.1`. */
  readonly name: string;
  /** `uname -r`. */
  readonly release: string;
  readonly image: string;
  /** The folder of its own modules: `.../lib/modules/RELEASE`. */
  readonly modules: string;
  /** Builds the external modules of `source` (a folder that is written to) and gives back what the build said. @throws when it fails */
  build(source: string, variables: readonly string[]): Promise<string>;
}

const BUILD_MS = 300_000;

/** The chroot's kernel. */
export function newKernel(chroot: string): Kernel {
  const release = onlyOne(readdirSync(join(chroot, "lib/modules")), "a kernel in the chroot");
  return {
    name: release.split(".").slice(0, 2).join("."),
    release,
    image: join(chroot, "boot", `vmlinuz-${release}`),
    modules: join(chroot, "lib/modules", release),
    build: (source, variables) =>
      inChroot(chroot, `make -C /lib/modules/${release}/build M=/build ${variables.join(" ")} modules`, {
        timeoutMs: BUILD_MS,
        binds: { [source]: "/build" },
      }),
  };
}

/** The old kernel: packages of this machine's Debian, unpacked and not installed. 4 s and 500 MB. */
export async function ensureOldKernel(environment: Environment, progress: Progress): Promise<Kernel> {
  const names = await oldPackages();
  const key = createHash("sha256").update(names.join(" ")).digest("hex").slice(0, 16);
  const folder = join(environment.cacheFolder, "kernel", `packages-${key}`);
  if (!existsSync(folder)) await unpack(names, { folder, environment, progress });
  return oldKernel(folder);
}

function oldKernel(folder: string): Kernel {
  const release = onlyOne(readdirSync(join(folder, "lib/modules")), "an unpacked kernel");
  const headers = join(folder, "usr/src", `linux-headers-${release}`);
  return {
    name: release.split(".").slice(0, 2).join("."),
    release,
    image: join(folder, "boot", `vmlinuz-${release}`),
    modules: join(folder, "lib/modules", release),
    async build(source, variables) {
      // The headers name each other by absolute paths below /usr.
      const binds = ["usr/src", "usr/lib/linux-kbuild-6.1"].map((path) => `mkdir -p "/${path}" && mount --bind "$0/${path}" "/${path}"`);
      const make = `exec make -C "/usr/src/linux-headers-${release}" M="$1" ${variables.join(" ")} modules`;
      const script = ["set -e", ...binds, make].join("\n");
      if (!existsSync(headers)) throw new Error(`no headers for ${release} in ${folder}`);
      const argv = ["unshare", "--mount", "sh", "-c", script, folder, source];
      const { stdout, stderr } = await runCommand(argv, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }, timeoutMs: BUILD_MS });
      return stdout + stderr;
    },
  };
}

/** What the meta packages stand for today. */
async function oldPackages(): Promise<string[]> {
  const { stdout } = await runCommand(["apt-cache", "depends", "linux-image-amd64", "linux-headers-amd64"]);
  const [image, headers] = [/linux-image-6\.1\S+-amd64(?!\S)/, /linux-headers-6\.1\S+-amd64(?!\S)/].map((wanted) => wanted.exec(stdout)?.[0]);
  if (image === undefined || headers === undefined) throw new Error(`this Debian has no kernel 6.1: ${stdout}`);
  return [image, headers, headers.replace("-amd64", "-common"), "linux-kbuild-6.1", "linux-compiler-gcc-12-x86"];
}

async function unpack(names: readonly string[], to: { folder: string; environment: Environment; progress: Progress }): Promise<void> {
  const { folder, environment, progress } = to;
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(join(dirname(folder), "building-"));
  try {
    progress(`unpacking ${names[0]}`);
    const options = { cwd: building, env: environment.variables, timeoutMs: 600_000 };
    await runCommand(["apt-get", "-o", "APT::Sandbox::User=root", "download", ...names], options);
    for (const file of readdirSync(building).filter((name) => name.endsWith(".deb"))) {
      await runCommand(["dpkg", "-x", file, "."], options);
      await rm(join(building, file));
    }
    await rename(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

function onlyOne(names: readonly string[], what: string): string {
  const [name] = names;
  if (name === undefined || names.length !== 1) throw new Error(`expected ${what}, found ${names.join(", ") || "none"}`);
  return name;
}
