// SPDX-License-Identifier: Apache-2.0
/** Whether the fuzzers of `native/fuzz` can be built here: clang with libFuzzer, installed from Debian where that is allowed. */
import { spawnSync } from "node:child_process";
import { type Environment, readEnvironment } from "../e2e/cluster/environment.ts";
import { type DebianPackage, installPackages } from "../e2e/cluster/packages.ts";

const PACKAGES: readonly DebianPackage[] = [
  { name: "clang", proof: "clang" },
  { name: "libclang-rt-dev", proof: "clang" },
];

/** Only linking shows it: Debian has libFuzzer in a package beside clang's. */
function linksFuzzers(): boolean {
  const source = "#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *d, size_t n) { return !d && n; }\n";
  const flags = ["-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", "/dev/null"];
  return spawnSync("clang", flags, { input: source, stdio: ["pipe", "ignore", "ignore"] }).status === 0;
}

/** `null` when the fuzzers can run, else what keeps them from it. Installs packages in CI and with `TRUSTED_IOMMU_E2E_INSTALL=1`. */
export async function fuzzObstacle(environment: Environment = readEnvironment()): Promise<string | null> {
  if (linksFuzzers()) return null;
  const names = PACKAGES.map((wanted) => wanted.name).join(" ");
  if (!environment.installPackages) return `clang with libFuzzer is missing: apt-get install ${names} (or set TRUSTED_IOMMU_E2E_INSTALL=1)`;
  try {
    await installPackages(PACKAGES, environment);
  } catch (thrown) {
    return `apt-get install ${names} failed: ${String(thrown)}`;
  }
  return linksFuzzers() ? null : `clang can't link a fuzzer although ${names} are installed`;
}
