// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { listUnits } from "../../host/reader.ts";
import { AppError } from "../../runtime/errors.ts";
import type { Driver, LoadsPort, SeamcallPort } from "../../seamcall/port.ts";
import type { NodeConfig } from "../config/node-config.ts";

export interface BuiltDriver {
  /** The one that is configured; what is written into the status, also while it can't be opened. */
  readonly driver: Driver | "auto";
  readonly open: () => Promise<SeamcallPort>;
  readonly loads: LoadsPort | null;
}

/** The way to SETUP and CLEAR that the configuration names. The simulator is never chosen by probing: only --simulator leads to it. */
export async function buildDriver(config: Pick<NodeConfig, "driver" | "hostRoot">, readOnly: boolean): Promise<BuiltDriver> {
  const { driver, hostRoot } = config;
  const { openFound, openSimulated, openTdxIommu } = await import("../../seamcall/drivers.ts");
  const options = { writable: !readOnly };
  const { createTdxHost } = await import("../../seamcall/tdx-host/driver.ts");
  const { createKernelWatch } = await import("../../seamcall/tdx-host/watch.ts");
  if (driver.kind === "Simulated") {
    if (!existsSync(driver.stateDir)) throw simulatorMissing(driver.stateDir);
    return { driver: "simulated", open: () => openSimulated(driver.stateDir, options), loads: null };
  }
  const { loadAddon } = await import("../../native/addon.ts");
  const { openArrivals } = await import("../../seamcall/tdx-host/arrivals.ts");
  const watch = createKernelWatch({ root: hostRoot, arrivals: openArrivals(loadAddon()) });
  const host = { root: hostRoot, units: async () => (await listUnits(hostRoot)).units, watch };
  if (driver.driver === "tdx_host") return { driver: "tdx_host", open: async () => createTdxHost(host), loads: host.watch };
  if (driver.driver === "tdx_iommu") return { driver: "tdx_iommu", open: () => openTdxIommu(join(hostRoot, "dev/tdx_iommu"), options), loads: null };
  return { driver: "auto", open: () => openFound(host, options), loads: host.watch };
}

function simulatorMissing(stateDir: string): AppError {
  const folder = dirname(stateDir);
  const fix = `trusted-iommu simulate create --host HOST --root ${folder}`;
  return new AppError("CONFIG_INVALID", `--simulator is "${folder}": there is no simulated host; make one first: ${fix}`);
}
