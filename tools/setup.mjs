// SPDX-License-Identifier: Apache-2.0
/**
 * Everything a fresh clone needs before any other script runs: dependencies (the pinned Node among them), the native addon, the bundle.
 * Plain JavaScript without dependencies, because it is started by whatever Node the machine has. Each part is skipped when it is up to date.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installArguments, missingPackages } from "./setup/npm.mjs";
import { fail, runStep } from "./setup/steps.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const lockFile = join(root, "package-lock.json");
/** What npm says is installed. It changes with every install and removal, also one by hand. */
const installedFile = join(modules, ".package-lock.json");
/** Hashes of both files as they were when everything was there. */
const stamp = join(modules, ".trusted-iommu-lock");
const node = join(modules, ".bin", "node");

function fingerprint() {
  const hash = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");
  return `${hash(lockFile)} ${hash(installedFile)}`;
}

function areInstalled() {
  return [stamp, node, installedFile].every((file) => existsSync(file)) && readFileSync(stamp, "utf8") === fingerprint();
}

async function installDependencies() {
  if (areInstalled()) return;
  rmSync(stamp, { force: true });
  await runStep({ what: "dependencies (npm, 500 MB on disk)", isLong: true, command: "npm", args: installArguments(root), cwd: root });
  const missing = missingFromDisk();
  if (missing.length > 0) fail(`set-up failed: npm ended well and did not install ${missing.join(", ")}; npm config ls -l shows what it was told`);
  writeFileSync(stamp, fingerprint());
}

function missingFromDisk() {
  if (!existsSync(installedFile)) return ["anything"];
  const [lock, installed] = [lockFile, installedFile].map((file) => JSON.parse(readFileSync(file, "utf8")));
  const { header } = process.report.getReport();
  const platform = { os: process.platform, cpu: process.arch, libc: header.glibcVersionRuntime === undefined ? "musl" : "glibc" };
  const missing = missingPackages(lock, installed, platform);
  return existsSync(node) || missing.length > 0 ? missing : [node];
}

await installDependencies();
await runStep({ what: "native addon (make)", command: "make", args: ["-s", "-C", "native"], cwd: root });
await runStep({ what: "bundle (esbuild)", command: node, args: ["tools/build.ts"], cwd: root });
