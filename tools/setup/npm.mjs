// SPDX-License-Identifier: Apache-2.0
/** How set-up calls npm, and how it tells whether npm installed what the lock file names. Plain JavaScript for whatever Node the machine has. */

/**
 * Arguments of `npm` that install the whole lock file into `root`, whatever the caller's npm configuration says: a flag goes before the environment
 * (NODE_ENV=production, npm_config_*) and before every npmrc. Which registry is asked, and through which proxy, stays the caller's.
 */
export function installArguments(root) {
  // Not `npm ci`: it begins by removing node_modules, and with it the Node that may be running this. With a lock both install the same.
  return [
    "install",
    `--prefix=${root}`,
    "--global=false",
    "--location=project",
    "--include=prod",
    "--include=dev",
    "--include=optional",
    "--include=peer",
    "--install-strategy=hoisted",
    "--bin-links",
    "--package-lock",
    "--package-lock-only=false",
    "--dry-run=false",
    // The lock file is an input: another version of npm would write it differently.
    "--save=false",
    "--ignore-scripts",
    "--audit=false",
    "--fund=false",
  ];
}

/**
 * Packages of the lock file that are not installed, or in another version: their paths. Optional packages are looked for where they name this
 * platform: those are the binaries of a tool.
 * @param lock package-lock.json
 * @param installed node_modules/.package-lock.json, which npm writes as the last thing of an install
 * @param platform as npm names it
 */
export function missingPackages(lock, installed, platform) {
  return Object.entries(lock.packages ?? {})
    .filter(([path, wanted]) => path !== "" && isNeeded(wanted, platform) && installed.packages?.[path]?.version !== wanted.version)
    .map(([path]) => path);
}

function isNeeded({ optional = false, devOptional = false, os, cpu, libc }, platform) {
  if (!optional && !devOptional) return true;
  const names = (list, value) => list?.includes(value) === true;
  return names(os, platform.os) && names(cpu, platform.cpu) && (libc === undefined || names(libc, platform.libc));
}
