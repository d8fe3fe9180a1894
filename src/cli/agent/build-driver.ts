// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "../../runtime/errors.ts";
import { bindHandle } from "../../seamcall/binding.ts";
import { fromNative } from "../../seamcall/errors.ts";
import type { Driver, SeamcallPort } from "../../seamcall/port.ts";
import type { AgentConfig } from "../config/agent-config.ts";

export interface BuiltDriver {
  /** The one that is configured; what is written into the status, also while it can't be opened. */
  readonly driver: Driver;
  readonly open: () => Promise<SeamcallPort>;
}

/** The way to SETUP and CLEAR that the configuration names. The simulator is never chosen by probing: only --simulator leads to it. */
export async function buildDriver(config: Pick<AgentConfig, "driver" | "hostRoot">, readOnly: boolean): Promise<BuiltDriver> {
  const { driver, hostRoot } = config;
  const { loadAddon } = await import("../../seamcall/addon.ts");
  if (driver.kind === "Simulated") {
    if (!existsSync(driver.stateDir)) throw simulatorMissing(driver.stateDir);
    return { driver: "simulated", open: opened("simulated", () => loadAddon().openSimulator(driver.stateDir, !readOnly)) };
  }
  if (driver.driver === "tdx_host") return { driver: "tdx_host", open: async () => Promise.reject(tdxHostMissing()) };
  // auto: of the real ways only one is built. Without its device node opening says DRIVER_MISSING, and is tried again.
  const node = join(hostRoot, "dev/tdx_iommu");
  return { driver: "tdx_iommu", open: opened("tdx_iommu", () => loadAddon().open(node, !readOnly)) };
}

function opened(driver: Driver, open: () => Parameters<typeof bindHandle>[1]): () => Promise<SeamcallPort> {
  return async () => {
    try {
      return bindHandle(driver, open());
    } catch (thrown) {
      throw fromNative(thrown);
    }
  };
}

function simulatorMissing(stateDir: string): AppError {
  const folder = dirname(stateDir);
  const fix = `trusted-iommu simulate create --host HOST.yaml --root ${folder}`;
  return new AppError("CONFIG_INVALID", `--simulator is "${folder}": there is no simulated host; make one first: ${fix}`);
}

function tdxHostMissing(): AppError {
  return new AppError("DRIVER_NOT_BUILT", "the driver tdx_host is not built yet: use --driver tdx_iommu with the tdx_iommu kernel module");
}
