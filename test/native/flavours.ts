// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Addon, loadAddon } from "../../src/native/addon.ts";

/** A build of the addon; see native/Makefile. */
export type Flavour = "release" | "asan" | "shim";

const NATIVE = fileURLToPath(new URL("../../native", import.meta.url));

/** Builds it if it is not up to date; its path. */
export function buildFlavour(flavour: Flavour): string {
  const target = flavour === "release" ? "all" : flavour;
  const { status, stdout, stderr } = spawnSync("make", ["-s", "-C", NATIVE, target], { encoding: "utf8" });
  if (status !== 0) throw new Error(`make ${target}: ${stdout}${stderr}`);
  return `${NATIVE}/build/${flavour}/tdx_iommu.node`;
}

export function loadFlavour(flavour: Flavour): Addon {
  return loadAddon(buildFlavour(flavour));
}

/** The environment of a process that loads the sanitizer build. */
export function sanitizerEnvironment(): Readonly<Record<string, string>> {
  const runtime = (name: string): string => execFileSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
  return {
    PATH: "/usr/bin:/bin",
    LD_PRELOAD: `${runtime("libasan.so")}:${runtime("libubsan.so")}`,
    ASAN_OPTIONS: "detect_leaks=0:abort_on_error=0",
  };
}
