// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Processes } from "./processes.ts";
import type { Row } from "./row.ts";

/** What every figure is given. */
export interface BenchContext {
  /** Fewer and shorter: to see that everything works, not to quote. */
  readonly quick: boolean;
  readonly root: string;
  readonly processes: Processes;
  /** An empty folder that is removed at the end. */
  scratch(name: string): string;
  /** Says on the terminal what is going on. */
  say(text: string): void;
}

export interface Figure {
  /** For --only. */
  readonly name: string;
  /** Rejects with the reason when it could not be measured. */
  measure(context: BenchContext): Promise<readonly Row[]>;
}

/** The project's root folder. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** In memory where the machine has such a file system: sysfs is no disk either. */
const BASE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export interface Scratches {
  make(name: string): string;
  removeAll(): void;
}

export function createScratches(): Scratches {
  const made: string[] = [];
  return {
    make(name) {
      const path = mkdtempSync(join(BASE, `ti-bench-${name}-`));
      made.push(path);
      return path;
    },
    removeAll() {
      for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }); // A process just killed may still write.
    },
  };
}
