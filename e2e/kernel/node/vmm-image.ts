// SPDX-License-Identifier: Apache-2.0
// An image with a virtual machine monitor: the chroot's QEMU, the libraries that it loads and its firmware, beside a shell.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../cluster/command.ts";
import { fileOf, folderOf, writeOciArchive } from "../../image/oci-archive.ts";
import type { TarEntry } from "../../image/tar.ts";
import { inChroot } from "../kit/chroot.ts";

export const VMM_IMAGE = "docker.io/library/vmm:e2e";
const QEMU = "usr/bin/qemu-system-x86_64";
const FIRMWARE = ["usr/share/seabios/bios-256k.bin", "usr/share/qemu/kvmvapic.bin"];

/** Writes the image to `file`: some 70 MB. @throws with ldd's words */
export async function writeVmmImage(chroot: string, file: string): Promise<void> {
  const listed = await inChroot(chroot, `ldd /${QEMU}`, { timeoutMs: 60_000 });
  const libraries = [...listed.matchAll(/(?:=> )?\/(\S+) \(0x[0-9a-f]+\)/g)].flatMap(([, path]) => path ?? []);
  const paths = [QEMU, ...FIRMWARE, ...libraries];
  const files = paths.map((path) => fileOf(path, readFileSync(join(chroot, path)), !FIRMWARE.includes(path)));
  const layer = [...foldersOf([...paths, "bin/sh"]), folderOf("tmp", 0o1777), ...files, ...(await shell(chroot))];
  await writeOciArchive({ name: VMM_IMAGE, layers: [layer], entrypoint: ["/bin/sh"], env: { PATH: "/usr/bin:/bin" } }, file);
}

async function shell(chroot: string): Promise<readonly TarEntry[]> {
  const busybox = join(chroot, "usr/bin/busybox");
  const applets = (await runCommand([busybox, "--list"])).stdout.trim().split("\n");
  const links = applets.filter((name) => name !== "busybox").map((name): TarEntry => ({ kind: "link", path: `bin/${name}`, target: "busybox" }));
  return [fileOf("bin/busybox", readFileSync(busybox), true), ...links];
}

/** What they lie in, each folder before those in it. */
function foldersOf(paths: readonly string[]): readonly TarEntry[] {
  const parents = paths.flatMap((path) => path.split("/").map((_, depth, parts) => parts.slice(0, depth).join("/")));
  return [...new Set(parents)].filter((path) => path !== "").map((path) => folderOf(path));
}
