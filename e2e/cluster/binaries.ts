// SPDX-License-Identifier: Apache-2.0
// The cluster's programs, built once from Go modules and kept outside of the work tree.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand, tryCommand } from "./command.ts";
import type { Environment } from "./environment.ts";
import { findProgram } from "./packages.ts";
import type { Progress } from "./progress.ts";
import { writeSchemas } from "./schemas.ts";
import { BUILD_ENVIRONMENT, BUILD_FLAGS, cacheKey, moduleFolder, programName, programNames, UPSTREAMS, type Upstream } from "./toolchain.ts";

/** Where the programs come from: a folder that is ready, one still to be built, or nowhere. */
export type BinariesPlan =
  | { readonly kind: "ready"; readonly folder: string }
  | { readonly kind: "build"; readonly folder: string; readonly goVersion: string }
  | { readonly kind: "unavailable"; readonly reason: string };

/** The oldest Go that can build the modules: what their `go.mod` files ask for. A Go from 1.21 on fetches it by itself. */
const OLDEST_GO = "1.26";

/** The folder of JSON schemas beside the programs. */
export const SCHEMAS_FOLDER = "schemas";

/** One kubernetes program links for minutes on a small machine; a build that takes longer than this is stuck. */
const BUILD_TIMEOUT_MS = 3_600_000;

/** Finds out, without building anything, where the programs will come from. */
export async function planBinaries(environment: Environment): Promise<BinariesPlan> {
  if (environment.binaries !== null) return planPrebuilt(environment.binaries);
  if (findProgram("go", environment.variables.PATH ?? "") === null) {
    return { kind: "unavailable", reason: `Go ${OLDEST_GO} or newer is not installed, and TRUSTED_IOMMU_E2E_BINARIES names no prebuilt programs` };
  }
  const env = { ...environment.variables, ...BUILD_ENVIRONMENT };
  const version = await tryCommand(["go", "env", "GOVERSION", "GOOS", "GOARCH"], { cwd: moduleFolder("kubernetes"), env });
  if (version.code !== 0) {
    return { kind: "unavailable", reason: `Go ${OLDEST_GO} or newer is needed: ${version.stderr.trim().split("\n").at(-1)}` };
  }
  const goVersion = version.stdout.trim().split("\n").join(" ");
  const folder = join(environment.cacheFolder, "binaries", cacheKey(goVersion));
  return existsSync(folder) ? { kind: "ready", folder } : { kind: "build", folder, goVersion };
}

/** Makes the planned programs exist and returns their folder. Others never see a half-built folder: it is renamed into place.
 *  @throws when a build fails, with the compiler's words, or when the plan is `unavailable` */
export async function ensureBinaries(plan: BinariesPlan, environment: Environment, progress: Progress): Promise<string> {
  if (plan.kind === "unavailable") throw new Error(plan.reason);
  if (plan.kind === "ready") return plan.folder;
  const parent = dirname(plan.folder);
  await mkdir(parent, { recursive: true });
  const building = await mkdtemp(join(parent, "building-"));
  try {
    progress(`building the cluster's programs with ${plan.goVersion}: about ten minutes on two cores, once`);
    for (const upstream of UPSTREAMS) await buildUpstream(upstream, building, environment, progress);
    await writeSchemas(await kubernetesSource(environment), join(building, SCHEMAS_FOLDER));
    await publish(building, plan.folder);
    progress(`programs are in ${plan.folder}`);
    return plan.folder;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function buildUpstream(upstream: Upstream, folder: string, environment: Environment, progress: Progress): Promise<void> {
  const env = { ...environment.variables, ...BUILD_ENVIRONMENT };
  for (const path of upstream.packages) {
    const output = join(folder, programName(path));
    const argv = ["nice", "go", "build", ...BUILD_FLAGS, "-ldflags", upstream.ldflags, "-o", output, path];
    await runCommand(argv, { cwd: moduleFolder(upstream.module), env, timeoutMs: BUILD_TIMEOUT_MS });
    progress(`built ${programName(path)}`);
  }
}

/** The folder of the Kubernetes module's own source, in Go's module cache. */
async function kubernetesSource(environment: Environment): Promise<string> {
  const env = { ...environment.variables, ...BUILD_ENVIRONMENT };
  const found = await runCommand(["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"], { cwd: moduleFolder("kubernetes"), env });
  return found.stdout.trim();
}

/** Another run may have finished the same build in the meantime: its folder is as good as ours. */
async function publish(building: string, folder: string): Promise<void> {
  try {
    await rename(building, folder);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

function planPrebuilt(folder: string): BinariesPlan {
  const missing = [...programNames(), SCHEMAS_FOLDER].filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return { kind: "ready", folder };
  return { kind: "unavailable", reason: `the prebuilt programs in ${folder} lack ${missing.join(", ")}` };
}
