// SPDX-License-Identifier: Apache-2.0

/** Formats all C as `.clang-format` says; with `--check` it changes nothing and fails when something would change. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const files = globSync("{native,e2e,bench}/**/*.{c,h}", { cwd: root, exclude: ["native/build/**"] });
const option = process.argv.includes("--check") ? ["--dry-run", "--Werror"] : ["-i"];

// Else a folder that was renamed would pass.
if (files.length === 0) throw new Error(`no C below ${root}`);
// The pinned one: another version formats differently.
const { status } = spawnSync(join(root, "node_modules/.bin/clang-format"), [...option, ...files], { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
