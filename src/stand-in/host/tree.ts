// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "../../runtime/errors.ts";
import type { Entries, Entry } from "./entries.ts";
import type { DeviceNodes } from "./host-state.ts";

/** Edits of a rendered tree. Each one is atomic for a reader: made aside, then renamed into place; removals are renamed out first. */
export interface Tree {
  readonly root: string;
  /** Creates or replaces one entry; an entry that is already so is left alone. */
  put(path: string, entry: Entry): void;
  putAll(entries: Entries): void;
  /** Creates or replaces an entry even when it reads the same, so that watchers notice. */
  touch(path: string, entry: Entry): void;
  /** Puts a whole directory at `path` at once. */
  putDirectory(path: string, entries: Entries): void;
  /** Makes a directory's entries be these, leaving alone what `keep` names. */
  updateDirectory(path: string, entries: Entries, keep: (name: string) => boolean): void;
  /** Repeatable. */
  remove(path: string): void;
}

/** A tree at `root`; `scratch` is a directory on the same file system outside of it. */
export function openTree(root: string, scratch: string, nodes: DeviceNodes): Tree {
  const aside = (): string => join(mkdtempSync(join(scratch, "e-")), "entry");
  const moveIn = (from: string, path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    renameSync(from, join(root, path));
    rmSync(dirname(from), { recursive: true, force: true });
  };
  const tree: Tree = {
    root,
    put(path, entry) {
      if (!holds(join(root, path), entry)) tree.touch(path, entry);
    },
    putAll(entries) {
      for (const [path, entry] of entries) tree.put(path, entry);
    },
    touch(path, entry) {
      if (entry.kind === "Directory") {
        mkdirSync(join(root, path), { recursive: true });
        return;
      }
      const made = aside();
      make(made, entry, nodes);
      moveIn(made, path);
    },
    putDirectory(path, entries) {
      const made = aside();
      makeTree(made, entries, nodes);
      tree.remove(path);
      moveIn(made, path);
    },
    updateDirectory(path, entries, keep) {
      const wanted = new Set([...entries.keys()].map((name) => name.split("/")[0]));
      for (const name of readdirSync(join(root, path))) if (!wanted.has(name) && !keep(name)) tree.remove(`${path}/${name}`);
      for (const [name, entry] of entries) tree.put(`${path}/${name}`, entry);
    },
    remove(path) {
      if (lstatSync(join(root, path), { throwIfNoEntry: false }) === undefined) return;
      const out = aside();
      renameSync(join(root, path), out);
      rmSync(dirname(out), { recursive: true, force: true });
    },
  };
  return tree;
}

/** Makes all entries below `at`, which need not exist. Not atomic: for trees without a reader yet. */
export function makeTree(at: string, entries: Entries, nodes: DeviceNodes): void {
  const made = new Set<string>();
  const makeParent = (path: string): void => {
    const parent = dirname(path);
    if (made.has(parent)) return;
    mkdirSync(parent, { recursive: true });
    made.add(parent);
  };
  mkdirSync(at, { recursive: true });
  for (const [name, entry] of entries) {
    const path = join(at, name);
    makeParent(path);
    make(path, entry, nodes);
  }
}

function make(path: string, entry: Entry, nodes: DeviceNodes): void {
  if (entry.kind === "File") writeFileSync(path, entry.content);
  else if (entry.kind === "Link") symlinkSync(entry.target, path);
  else if (entry.kind === "Directory") mkdirSync(path, { recursive: true });
  else if (nodes === "Files") writeFileSync(path, "");
  else makeCharacterDevice(path);
}

/** Node has no mknod of its own. 1:3 is /dev/null. */
function makeCharacterDevice(path: string): void {
  try {
    execFileSync("mknod", ["-m", "0666", path, "c", "1", "3"], { stdio: "pipe" });
  } catch (thrown) {
    throw new AppError("SIMULATION_INVALID", `${path}: character devices need root and mknod; ask for Files instead`, { cause: thrown });
  }
}

function holds(path: string, entry: Entry): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (entry.kind === "Link") return found.isSymbolicLink() && readlinkSync(path) === entry.target;
  if (entry.kind === "File") return found.isFile() && readFileSync(path).equals(Buffer.from(entry.content));
  return entry.kind === "Directory" ? found.isDirectory() : found.isFile() || found.isCharacterDevice();
}
