// SPDX-License-Identifier: Apache-2.0
// The root file system of a test VM: an archive in memory, made of what the test puts into it.
import { chmodSync, copyFileSync, cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../cluster/command.ts";

/** Paths in the VM and the files or folders of this machine that are put there. */
export type Contents = Readonly<Record<string, string>>;

/** The first process of a test VM: answers on the second serial port. */
export const INIT = fileURLToPath(new URL("init.sh", import.meta.url));

/** Writes the archive to `folder` and returns its path. `init` is the script that the VM begins with. */
export async function makeInitramfs(folder: string, contents: Contents, init: string = INIT): Promise<string> {
  const root = join(folder, "root");
  for (const name of ["bin", "proc", "sys", "dev", "root"]) mkdirSync(join(root, name), { recursive: true });
  for (const [path, source] of Object.entries(contents)) {
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(source, target, { recursive: true, dereference: true });
  }
  copyFileSync(init, join(root, "init"));
  chmodSync(join(root, "init"), 0o755);
  const archive = join(folder, "initramfs");
  await runCommand(["sh", "-c", 'cd "$0" && find . | busybox cpio -o -H newc > "$1" 2> "$1.log"', root, archive], { timeoutMs: 60_000 });
  return archive;
}
