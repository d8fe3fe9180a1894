// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path";
import type { BindPort } from "../../bind/port.ts";
import { sysfsBinds } from "../../bind/sysfs.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { NodeConfig } from "../config/node-config.ts";

/** The writer of drivers. That of a simulated host is loaded for --simulator only. */
export function buildBinds({ driver, hostRoot }: Pick<NodeConfig, "driver" | "hostRoot">, clock: Clock): BindPort {
  if (driver.kind !== "Simulated") return sysfsBinds(hostRoot);
  const { stateDir } = driver;
  return {
    async change(change, signal, onStart) {
      const { simulatedBinds } = await import("../../stand-in/host/binds.ts");
      return simulatedBinds(dirname(stateDir), clock).change(change, signal, onStart);
    },
  };
}
