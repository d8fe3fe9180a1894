// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** An empty directory for one test; `remove` deletes it. */
export interface Scratch {
  readonly path: string;
  /** Writes a file below the directory, with its parents. */
  file(path: string, content: string | Uint8Array): void;
  link(path: string, target: string): void;
  directory(path: string): void;
  remove(): void;
}

/** In memory where the machine has such a file system: rendered hosts are thousands of tiny files. */
const BASE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export function createScratch(): Scratch {
  const path = mkdtempSync(join(BASE, "host-test-"));
  const at = (name: string): string => {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    return join(path, name);
  };
  return {
    path,
    file: (name, content) => writeFileSync(at(name), content),
    link: (name, target) => symlinkSync(target, at(name)),
    directory: (name) => void mkdirSync(at(name), { recursive: true }),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
