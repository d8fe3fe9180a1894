// SPDX-License-Identifier: Apache-2.0
// The disk of a node's VM: a small Linux of this machine's own programs, made without mounting anything.
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../cluster/command.ts";
import { sharedObjectsOf } from "../../image/shared-objects.ts";
import { type Contents, INIT } from "../vm/initramfs.ts";

const RC = fileURLToPath(new URL("rc.sh", import.meta.url));
const CNI_FOLDER = "/usr/lib/cni";
const CNI_PLUGINS = ["bridge", "host-local", "loopback"];
const CLUSTER_PROGRAMS = ["containerd", "containerd-shim-runc-v2", "ctr", "kubelet"];
/** Room for what pods write; the file has holes where nothing is. */
const SIZE = "3G";

export interface DiskSpec {
  /** A busybox that needs no library. */
  readonly busybox: string;
  readonly runc: string;
  /** Folder with the cluster's programs. */
  readonly binaries: string;
  /** Files and folders of this machine, by their path on the disk. */
  readonly contents: Contents;
  /** Texts, by their path on the disk. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Starts the tree of a disk in `root`, which must be empty; `finishDisk` makes the disk of it. */
export async function layOut(root: string, spec: DiskSpec): Promise<void> {
  for (const name of ["bin", "dev", "proc", "sys", "run", "root", "tmp", "etc", "var/log"]) mkdirSync(join(root, name), { recursive: true });
  symlinkSync("/run", join(root, "var/run"));
  for (const [path, source] of Object.entries({ ...(await programs(spec)), ...spec.contents })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    cpSync(source, join(root, path), { recursive: true, dereference: true });
  }
  for (const path of ["init", "etc/rc"]) chmodSync(join(root, path), 0o755);
  const texts = { "etc/hosts": "127.0.0.1 localhost\n", "etc/resolv.conf": "", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", ...spec.texts };
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

async function programs({ busybox, runc, binaries }: DiskSpec): Promise<Contents> {
  const plugins = CNI_PLUGINS.map((name) => join(CNI_FOLDER, name));
  const libraries = (await Promise.all([runc, ...plugins].map(sharedObjectsOf))).flat();
  return {
    "bin/busybox": busybox,
    init: INIT,
    "etc/rc": RC,
    ...Object.fromEntries([...libraries, ...plugins].map((path) => [path.slice(1), path])),
    [join("usr/bin", basename(runc))]: runc,
    ...Object.fromEntries(CLUSTER_PROGRAMS.map((name) => [join("usr/bin", name), join(binaries, name)])),
  };
}

/** Writes the tree to an ext4 image in `file`. @throws with mke2fs's words */
export async function finishDisk(root: string, file: string): Promise<void> {
  await runCommand(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d", root, file, SIZE]);
}
