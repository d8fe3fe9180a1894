// SPDX-License-Identifier: Apache-2.0

/** Events on their way to the audit log: a bounded line in the order in which they happened. What does not fit is counted, and a Gap says so in its place. */
import { type AuditEvent, auditEvent } from "../domain/audit/event.ts";
import type { Stamp } from "../domain/audit/line.ts";

export interface Noted extends Stamp, AuditEvent {}

export interface AuditQueue {
  add(events: readonly AuditEvent[], stamp: Stamp): void;
  /** At most `most` of the oldest; they stay until `written`. */
  next(most: number): readonly Noted[];
  written(count: number): void;
  /** How many were ever added, and how many of them are written or lost. */
  readonly added: number;
  readonly done: number;
}

/** More than a large host (4,096 functions) tells of in one look; about 8 MB. */
export const MOST_NOTED = 16_384;

export function createAuditQueue(most = MOST_NOTED): AuditQueue {
  let queue: Noted[] = [];
  let added = 0;
  /** Events that did not fit since the last one that did, and when the last of them came. */
  let lost: { readonly count: number; readonly stamp: Stamp } | null = null;

  const tellLost = (): void => {
    if (lost === null) return;
    const detail = `${lost.count} events are lost: they came faster than the log was written`;
    queue.push({ ...lost.stamp, ...auditEvent("Gap", "agent", { detail }) });
    added += 1;
    lost = null;
  };
  return {
    add(events, stamp) {
      for (const event of events) {
        if (queue.length >= most) {
          lost = { count: (lost?.count ?? 0) + 1, stamp };
          continue;
        }
        tellLost();
        queue.push({ ...stamp, ...event });
        added += 1;
      }
    },
    next(count) {
      if (queue.length < most) tellLost();
      return queue.slice(0, count);
    },
    written(count) {
      queue = queue.slice(count);
    },
    get added() {
      return added;
    },
    get done() {
      return added - queue.length;
    },
  };
}
