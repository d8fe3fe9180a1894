// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { runCommand } from "../cluster/command.ts";
import { fileOf, folderOf, writeOciArchive } from "./oci-archive.ts";
import type { TarEntry } from "./tar.ts";

/** Name of the workload image: a static busybox. It is the pause container too: without arguments it waits for its end. */
export const BUSYBOX_IMAGE = "docker.io/library/busybox:e2e";

/** Writes the image, with every applet under its own name. @param busybox path of a statically linked busybox */
export async function writeBusyboxImage(busybox: string, file: string): Promise<void> {
  const applets = (await runCommand([busybox, "--list"])).stdout.trim().split("\n");
  const links = applets.filter((name) => name !== "busybox").map((name): TarEntry => ({ kind: "link", path: `bin/${name}`, target: "busybox" }));
  const folders = [folderOf("bin"), folderOf("etc"), folderOf("tmp", 0o1777)];
  const layer = [...folders, fileOf("bin/busybox", await readFile(busybox), true), ...links];
  await writeOciArchive({ name: BUSYBOX_IMAGE, layers: [layer], entrypoint: ["/bin/sleep", "inf"], env: { PATH: "/bin" } }, file);
}
