// SPDX-License-Identifier: Apache-2.0

/** The writer of drivers of a simulated host. An unbind waits until nobody has the function open, as vfio does. */
import { randomUUID } from "node:crypto";
import type { BindPort } from "../../bind/port.ts";
import { type Clock, sleep } from "../../runtime/clock.ts";
import { simulationOf } from "../module/simulation.ts";
import { openSimulatedHost } from "./create.ts";

/** What a driver's probe takes. */
const PROBE_MS = 50;
const LOOK_AGAIN_MS = 200;

export function simulatedBinds(directory: string, clock: Clock): BindPort {
  return {
    async change({ address, to }, signal) {
      for (let waitMs = PROBE_MS; ; waitMs = LOOK_AGAIN_MS) {
        await sleep(clock, waitMs, signal);
        if (signal.aborted) return { kind: "Unanswered", why: "the agent is stopping" };
        const host = openSimulatedHost(directory, { control: simulationOf(), newBootId: randomUUID });
        if (host.changeDriver(address, to === "Vfio")) return { kind: "Changed" };
      }
    },
  };
}
