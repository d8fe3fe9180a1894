// SPDX-License-Identifier: Apache-2.0
// The one place where the cluster tests read the environment.
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** What the environment says about the cluster tests. Absent values are `null`. */
export interface Environment {
  /** `CI=true` (or 1): a rung that cannot run counts as failed, not as skipped. */
  readonly ci: boolean;
  /** `TRUSTED_IOMMU_E2E_BINARIES`: a folder of prebuilt programs; nothing is built when it is given. */
  readonly binaries: string | null;
  /** Where built programs are kept between runs, outside of the work tree. */
  readonly cacheFolder: string;
  /** Whether missing Debian packages may be installed: in CI, or when `TRUSTED_IOMMU_E2E_INSTALL=1`. */
  readonly installPackages: boolean;
  /** `TRUSTED_IOMMU_E2E_KEEP=1`: logs are kept after a success too. */
  readonly keepLogs: boolean;
  /** Parent of all run folders. */
  readonly runsFolder: string;
  /** The whole environment, for programs that need it as it is (the Go tool, apt-get). */
  readonly variables: Readonly<Record<string, string>>;
}

/** Reads the process's environment once. Never fails: what is unset has a default. */
export function readEnvironment(): Environment {
  const variables = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const isOn = (name: string): boolean => ["1", "true", "yes"].includes((variables[name] ?? "").toLowerCase());
  const cacheHome = variables.XDG_CACHE_HOME || join(homedir(), ".cache");
  const ci = isOn("CI");
  return {
    ci,
    binaries: variables.TRUSTED_IOMMU_E2E_BINARIES || null,
    cacheFolder: join(cacheHome, "trusted-iommu"),
    installPackages: ci || isOn("TRUSTED_IOMMU_E2E_INSTALL"),
    keepLogs: isOn("TRUSTED_IOMMU_E2E_KEEP"),
    runsFolder: join(tmpdir(), "trusted-iommu-e2e"),
    variables,
  };
}
