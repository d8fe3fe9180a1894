// SPDX-License-Identifier: Apache-2.0

/** Writes the newest status where it goes, once for each change, and not more often than it may be written. */
import type { NodeStatus, ReadStatus } from "../domain/status.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import type { AgentPorts } from "./ports.ts";
import { createStatusTurns } from "./status-turn.ts";

export interface StatusWriter {
  /** The newest status. @returns whether it is other than what was written last */
  note(status: NodeStatus): boolean;
  /** Writes it when its turn has come; else says when that is. */
  write(): Promise<RunAgain | undefined>;
}

/** @param last what an earlier process left, asked for when it is needed */
export function createStatusWriter(ports: Pick<AgentPorts, "clock" | "status">, last: () => ReadStatus | null): StatusWriter {
  const turns = createStatusTurns(ports.status.rate, last);
  let newest: { readonly status: NodeStatus; readonly text: string } | null = null;
  let written = "";
  return {
    note(status) {
      newest = { status, text: JSON.stringify(status) };
      return newest.text !== written;
    },
    async write() {
      if (newest === null || newest.text === written) return undefined;
      const { status, text } = newest;
      const afterMs = turns.take(ports.clock.nowMs(), status);
      if (afterMs > 0) return { afterMs };
      await ports.status.write(status);
      written = text;
      turns.written(status);
      return undefined;
    },
  };
}
