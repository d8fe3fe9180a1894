// SPDX-License-Identifier: Apache-2.0
// A Debian of its own for what this machine's Debian does not have: a new kernel, its headers and compiler, and QEMU. Built once, kept
// outside of the work tree, and never started: programs of it run by chroot, or by its own loader.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "../../cluster/command.ts";
import type { Environment } from "../../cluster/environment.ts";
import type { Progress } from "../../cluster/progress.ts";

const SUITE = "sid";
const FIRST = ["make", "gcc-16", "kmod", "xz-utils", "ca-certificates"];
const SECOND = [
  "qemu-system-x86",
  "seabios",
  "linux-image-amd64",
  "linux-headers-amd64",
  "linux-source",
  "busybox-static",
  "sparse",
  "perl",
  "python3",
  "dkms",
];
/** Of the kernel's source: its own checks, of which the headers' packages have none. */
const CHECKS = ["scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch", "scripts/checker-valid.sh"];
const KERNEL_DOC = ["tools/docs/kernel-doc", "tools/lib/python/kdoc"];

/** Debian's moving suite has no versions to pin: a new month begins with a new one. */
function keyOf(month: string): string {
  return createHash("sha256")
    .update(JSON.stringify([SUITE, FIRST, SECOND, CHECKS, KERNEL_DOC, month]))
    .digest("hex")
    .slice(0, 16);
}

const DOWNLOAD_MS = 900_000;

/**
 * The folder of the chroot, built when it is not there: 2 to 5 minutes and 1.6 GB. Others never see a half-built one.
 * @throws with debootstrap's or apt's words
 */
export async function ensureChroot(environment: Environment, progress: Progress): Promise<string> {
  const folder = join(environment.cacheFolder, "kernel", `chroot-${keyOf(new Date().toISOString().slice(0, 7))}`);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const building = await mkdtemp(join(dirname(folder), "building-"));
  try {
    progress("building the kernel tests' chroot: some minutes, once");
    const env = { ...environment.variables, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
    await runCommand(["debootstrap", "--variant=minbase", `--include=${FIRST.join(",")}`, SUITE, building], { env, timeoutMs: DOWNLOAD_MS });
    progress("its packages");
    // The suite's Release file is often older than apt likes.
    const apt = "apt-get -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root";
    await inChroot(building, `${apt} update && ${apt} install --yes --no-install-recommends ${SECOND.join(" ")} && apt-get clean`, {
      timeoutMs: DOWNLOAD_MS,
      env,
    });
    const wanted = [...CHECKS, ...KERNEL_DOC].map((path) => `'*/${path}'`).join(" ");
    const unpack = `tar -C /usr/src -xJf /usr/src/linux-source-*.tar.xz --strip-components=1 --wildcards ${wanted}`;
    // Where kbuild looks for it.
    const source = `${unpack} && cp /usr/src/scripts/checker-valid.sh /usr/src/linux-headers-*-common/scripts/`;
    await inChroot(building, source, { timeoutMs: 120_000, env });
    await rename(building, folder);
    progress(`the chroot is in ${folder}`);
    return folder;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

export interface ChrootOptions {
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of this machine, shown inside. */
  readonly binds?: Readonly<Record<string, string>>;
}

/** Runs a shell line inside, with /proc, in a mount namespace of its own: nothing stays mounted. @throws when it fails */
export async function inChroot(folder: string, line: string, options: ChrootOptions): Promise<string> {
  const binds = Object.entries(options.binds ?? {}).map(([from, to]) => `mkdir -p "$0${to}" && mount --bind "${from}" "$0${to}"`);
  const script = ["set -e", 'mount -t proc proc "$0/proc"', ...binds, 'exec chroot "$0" sh -ec "$1"'].join("\n");
  const env = { ...(options.env ?? {}), PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  const { stdout, stderr } = await runCommand(["unshare", "--mount", "sh", "-c", script, folder, line], { env, timeoutMs: options.timeoutMs });
  return stdout + stderr;
}
