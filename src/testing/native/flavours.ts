// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Addon, loadAddon } from "../../seamcall/addon.ts";

/** A build of the addon; see native/Makefile. */
export type Flavour = "release" | "asan" | "shim";

const NATIVE = fileURLToPath(new URL("../../../native", import.meta.url));

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
