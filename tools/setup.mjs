// SPDX-License-Identifier: Apache-2.0
//
// Everything a fresh clone needs before any other script runs: dependencies (the pinned Node among them), the native addon, the bundle.
// Plain JavaScript without dependencies, because it is started by whatever Node the machine has. Each part is skipped when it is up to date.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".trusted-iommu-lock");
const node = join(root, "node_modules", ".bin", "node");

/** Runs quietly; what it printed is shown only when it failed. */
function run(what, command, args) {
  const quiet = process.env.TRUSTED_IOMMU_SETUP_VERBOSE === undefined;
  const result = spawnSync(command, args, { cwd: root, stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit", encoding: "utf8" });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}\n`);
  process.stderr.write(`set-up failed: ${what} (${command} ${args.join(" ")}: ${result.error?.message ?? `exit ${result.status}`})\n`);
  if (result.error?.code === "ENOENT")
    process.stderr.write(`${command} is missing: install it (Debian: apt-get install build-essential nodejs npm)\n`);
  process.exit(1);
}

function dependencies() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && existsSync(node) && readFileSync(stamp, "utf8") === lock) return;
  process.stderr.write("set-up: dependencies\n");
  // Not `npm ci`: it begins by removing node_modules, and with it the Node that may be running this. With a lock both install the same.
  run("dependencies", "npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
  writeFileSync(stamp, lock);
}

dependencies();
run("native addon", "make", ["-s", "-C", "native"]);
run("bundle", node, ["tools/build.ts"]);
