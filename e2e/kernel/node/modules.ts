// SPDX-License-Identifier: Apache-2.0
// Modules of the chroot's kernel for a VM that has no modprobe: with all that they need, in order, and not compressed.
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { inChroot } from "../kit/chroot.ts";
import type { Kernel } from "../kit/kernels.ts";

/** What a node's disk, network and containers need and Debian's kernel does not have built in. */
export const NODE_MODULES = ["virtio_blk", "ext4", "virtio_net", "overlay", "bridge", "veth"] as const;

/** Writes modules as `NAME.ko`, and their names to `order` in the order in which insmod takes them. @throws with modprobe's or xz's words */
export async function writeModules(folder: string, names: readonly string[], from: { chroot: string; kernel: Kernel }): Promise<void> {
  const { chroot, kernel } = from;
  mkdirSync(folder, { recursive: true });
  const options = { timeoutMs: 60_000 };
  const shown = await inChroot(chroot, `modprobe -S ${kernel.release} --show-depends -a ${names.join(" ")}`, options);
  const paths = shown.split("\n").flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
  const unique = [...new Set(paths)];
  const lines = unique.map((path) => `xz -dc ${path} > /unpacked/${basename(path, ".xz")}`);
  await inChroot(chroot, lines.join("\n"), { ...options, binds: { [folder]: "/unpacked" } });
  writeFileSync(join(folder, "order"), unique.map((path) => `${basename(path, ".xz")}\n`).join(""));
}
