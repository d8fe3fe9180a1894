// SPDX-License-Identifier: Apache-2.0

/**
 * The builder's base image, without a registry: a Debian root file system made by mmdebstrap, kept in the user's cache with the list of its packages,
 * for as long as suite and packages stay the same.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runStep } from "../setup/steps.mjs";

export const SUITE = "trixie";
const MIRROR = "http://deb.debian.org/debian";
/** Those that the Containerfile installs: it finds them there. */
const PACKAGES = ["binutils", "ca-certificates", "gcc", "libc6-dev", "make", "nodejs", "npm"];
const KEY = createHash("sha256")
  .update([SUITE, ...PACKAGES].join(" "))
  .digest("hex")
  .slice(0, 16);

/** Name of the base in the builder's store. */
export const BASE_IMAGE = `localhost/trusted-iommu-builder:${KEY}`;

/** What the builder keeps, and the root file system: below the same folder as everything else that this project keeps between runs. */
export function imageCache(env: NodeJS.ProcessEnv): string {
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "trusted-iommu", "image");
}

/** @returns the file of the root file system; beside it lies `packages.txt`, one `name version` a line */
export async function ensureBase(cache: string): Promise<string> {
  const folder = join(cache, `base-${KEY}`);
  const file = join(folder, "base.tar");
  if (existsSync(file)) return file;
  const fresh = `${folder}.new-${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const args = [
    "--variant=apt",
    // Its own user may not be let into the folders of a build machine.
    '--aptopt=APT::Sandbox::User "root"',
    `--include=${PACKAGES.join(",")}`,
    `--customize-hook=chroot "$1" dpkg-query --show > ${join(fresh, "packages.txt")}`,
    SUITE,
    join(fresh, "base.tar"),
    MIRROR,
  ];
  await runStep({ what: `builder's root file system (mmdebstrap, Debian ${SUITE})`, isLong: true, command: "mmdebstrap", args, cwd: cache });
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  return file;
}
