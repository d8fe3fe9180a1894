// SPDX-License-Identifier: Apache-2.0

/** The writer of links of a simulated host. Its kernel goes on with a write whose process is gone; here that one does not happen. */
import { randomUUID } from "node:crypto";
import { type Clock, sleep } from "../../runtime/clock.ts";
import type { LinkPort } from "../../tsm/port.ts";
import { simulationOf } from "../module/simulation.ts";
import { openSimulatedHost } from "./create.ts";

/** What SPDM and IDE set-up take on a device that is quick at it. */
const CONNECT_MS = 300;
const DISCONNECT_MS = 50;

export function simulatedLinks(directory: string, clock: Clock): LinkPort {
  return {
    async write({ kind, owner, tsm }, signal) {
      const host = openSimulatedHost(directory, { control: simulationOf(), newBootId: randomUUID });
      const fault = host.takeLinkFault(owner);
      await sleep(clock, fault?.delayMs ?? (kind === "Connect" ? CONNECT_MS : DISCONNECT_MS), signal);
      if (signal.aborted) return { kind: "Unanswered", why: "the agent is stopping" };
      const errno = fault?.errno ?? host.writeLink(owner, tsm, kind === "Connect");
      return errno === null ? { kind: "Written" } : { kind: "Refused", at: errno === "ENOENT" ? "open" : "write", errno };
    },
  };
}
