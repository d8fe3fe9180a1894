// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { runCommand } from "./command.ts";
import type { Environment } from "./environment.ts";

/** A Debian package and a file that proves it is there. */
export interface DebianPackage {
  readonly name: string;
  /** A program looked up in PATH, or an absolute path. */
  readonly proof: string;
}

/** What a node needs from Debian. Everything else is built from Go modules.
 *  busybox is the workload image and the pause container; the CNI plugins bring iptables with them; buildah and mmdebstrap build the agent's image. */
export const DEBIAN_PACKAGES: readonly DebianPackage[] = [
  { name: "runc", proof: "runc" },
  { name: "containernetworking-plugins", proof: "/usr/lib/cni/bridge" },
  { name: "busybox-static", proof: "busybox" },
  { name: "iproute2", proof: "ip" },
  { name: "util-linux", proof: "nsenter" },
  { name: "mount", proof: "mount" },
  { name: "openssl", proof: "openssl" },
  { name: "buildah", proof: "buildah" },
  { name: "mmdebstrap", proof: "mmdebstrap" },
];

/** The packages that are missing on this machine. */
export function missingPackages(searchPath: string): DebianPackage[] {
  return DEBIAN_PACKAGES.filter((wanted) => findProgram(wanted.proof, searchPath) === null);
}

/** Where a program is; `null` when it is nowhere. */
export function findProgram(name: string, searchPath: string): string | null {
  const candidates = name.startsWith("/") ? [name] : searchPath.split(delimiter).map((folder) => join(folder, name));
  return candidates.find((candidate) => existsSync(candidate)) ?? null;
}

/** Installs packages with apt-get. Needs root. @throws with apt-get's words when it fails */
export async function installPackages(packages: readonly DebianPackage[], environment: Environment): Promise<void> {
  const env = { ...environment.variables, DEBIAN_FRONTEND: "noninteractive" };
  await runCommand(["apt-get", "update"], { env, timeoutMs: 300_000 });
  const names = packages.map((wanted) => wanted.name);
  await runCommand(["apt-get", "install", "--yes", "--no-install-recommends", ...names], { env, timeoutMs: 600_000 });
}
