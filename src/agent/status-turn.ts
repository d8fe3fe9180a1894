// SPDX-License-Identifier: Apache-2.0

/** When a status may be written: not more often than who takes it wants, except when it tells that the gate has closed. */
import type { NodeStatus, ReadStatus } from "../domain/status.ts";
import { type Bucket, FULL_BUCKET, type Rate, taken, waitMs } from "../runtime/token-bucket.ts";
import { gateChanges } from "./changes.ts";

export interface StatusTurns {
  /** Milliseconds until `status` may be written; 0: now, and that is taken for done. */
  take(nowMs: number, status: NodeStatus): number;
  /** `status` has been written. */
  written(status: NodeStatus): void;
}

/** `rate` null: always. `last`: what is there before the first write, asked for when it is needed. */
export function createStatusTurns(rate: Rate | null, last: () => ReadStatus | null): StatusTurns {
  let bucket: Bucket = FULL_BUCKET;
  let shown: ReadStatus | null = null;
  return {
    take(nowMs, status) {
      if (rate === null) return 0;
      const isClosing = gateChanges(shown ?? last(), status).closed.length > 0;
      const ms = isClosing ? 0 : waitMs(bucket, rate, nowMs);
      if (ms === 0) bucket = taken(bucket, rate, nowMs);
      return ms;
    },
    written(status) {
      shown = status;
    },
  };
}
