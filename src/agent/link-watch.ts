// SPDX-License-Identifier: Apache-2.0

/**
 * Reads the registers of links that somebody wants once a second. No kernel tells of a reset that ends a stream, and a virtual machine monitor makes
 * some at each start, reboot and end of a guest.
 */
import type { RunAgain } from "../runtime/jobs.ts";
import type { AgentPorts } from "./ports.ts";
import type { AgentState } from "./state.ts";

export interface LinkWatchParts {
  readonly ports: Pick<AgentPorts, "host">;
  readonly state: Pick<AgentState, "pass" | "memory" | "stopping">;
  /** A link is not as it was last read. */
  readonly onChange: () => void;
}

const EVERY_MS = 1_000;

export async function watchLinks({ ports, state, onChange }: LinkWatchParts): Promise<RunAgain | undefined> {
  const { pass, stopping } = state;
  if (pass === null || stopping) return undefined;
  const watched = pass.plan.links.filter(({ isWatched }) => isWatched);
  for (const { owner } of watched) {
    if (state.memory.linkWork.writing?.owner === owner) continue;
    const last = state.memory.links.get(owner);
    const registers = await ports.host.linkRegisters(owner);
    if (last !== undefined && registers !== last.registers) onChange();
  }
  return watched.length === 0 ? undefined : { afterMs: EVERY_MS };
}
