// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { LinkPort } from "../../tsm/port.ts";
import { sysfsLinks } from "../../tsm/sysfs.ts";
import type { NodeConfig } from "../config/node-config.ts";

/** The writer of links. That of a simulated host is loaded for --simulator only. */
export function buildLinks({ driver, hostRoot }: Pick<NodeConfig, "driver" | "hostRoot">, clock: Clock): LinkPort {
  if (driver.kind !== "Simulated") return sysfsLinks(hostRoot);
  const { stateDir } = driver;
  return {
    async write(write, signal) {
      const { simulatedLinks } = await import("../../stand-in/host/links.ts");
      return simulatedLinks(dirname(stateDir), clock).write(write, signal);
    },
  };
}
