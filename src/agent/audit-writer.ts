// SPDX-License-Identifier: Apache-2.0

/** Writes events to the audit log in the order in which they were noted, in jobs of its own, and knows what of it could not be written or was late. */
import type { AuditPort } from "../audit-log/port.ts";
import { type AuditEvent, auditEvent, isSynced } from "../domain/audit/event.ts";
import { lineText, type Stamp } from "../domain/audit/line.ts";
import type { Clock } from "../runtime/clock.ts";
import { aborted } from "../runtime/deadline.ts";
import { messageOf } from "../runtime/errors.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import type { Log } from "../runtime/log.ts";
import { createAuditQueue } from "./audit-queue.ts";

export interface AuditWriter {
  add(events: readonly AuditEvent[]): void;
  /** Whether all that was added is in the log within `ms`. */
  isDoneWithin(ms: number): Promise<boolean>;
  /** Somebody was not kept waiting for what is not in the log: a Gap will say so. */
  late(): void;
  problem(): string;
  append(signal: AbortSignal): Promise<RunAgain | undefined>;
  sync(signal: AbortSignal): Promise<undefined>;
}

export interface AuditWriterParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditPort;
  readonly stamp: () => Stamp;
  readonly wakeAppend: () => void;
  readonly wakeSync: () => void;
  /** The log can be written no more, or again. */
  readonly onProblem: () => void;
}

const OPEN_AGAIN_MS = 2_000;
const MOST_AT_ONCE = 256;
const SLOW = "the disk of the audit log is slow: an Allocate did not wait for its line any longer";
const LATE = "an Allocate was answered before its line was written";

export function createAuditWriter({ clock, log, audit, stamp, ...parts }: AuditWriterParts): AuditWriter {
  const queue = createAuditQueue();
  const waiting = new Set<() => void>();
  /** Null: the log is to be opened. */
  let nextSeq: number | null = null;
  /** Of this process: a log that was taken away begins anew, and its numbers do not. */
  let lastSeq = 0;
  let problem = "";
  /** Why a Gap is due before the next line. */
  let gaps: readonly string[] = [];

  const setProblem = (text: string): void => {
    if (problem === text) return;
    problem = text;
    if (text === "") log.info({}, "the audit log is written again");
    else log.warn({ detail: text }, "the audit log is not written");
    parts.onProblem();
  };
  const tellGap = (why: string): void => {
    if (!gaps.includes(why)) gaps = [...gaps, why].slice(-2);
  };
  const letGo = (): void => {
    for (const look of [...waiting]) look();
  };
  const fail = (thrown: unknown): void => {
    nextSeq = null;
    tellGap(`the log could not be written: ${messageOf(thrown)}`);
    setProblem(messageOf(thrown));
    letGo();
  };

  /** @returns false when there is nothing to write */
  const writeSome = async (): Promise<boolean> => {
    const told = gaps;
    const due = told.map((detail) => ({ ...stamp(), ...auditEvent("Gap", "agent", { detail }) }));
    const batch = queue.next(MOST_AT_ONCE);
    if (due.length + batch.length === 0) return false;
    const first = nextSeq ?? Math.max(await audit.open(), lastSeq + 1);
    const lines = [...due, ...batch].map((noted, index) => lineText({ ...noted, seq: first + index }));
    await audit.append(lines, first);
    lastSeq = first + lines.length - 1;
    nextSeq = lastSeq + 1;
    queue.written(batch.length);
    gaps = gaps.filter((gap) => !told.includes(gap));
    setProblem("");
    letGo();
    if (batch.some(isSynced)) parts.wakeSync();
    return true;
  };
  const writeAll = async (signal: AbortSignal): Promise<RunAgain | undefined> => {
    try {
      while (!signal.aborted && (await writeSome()));
      return undefined;
    } catch (thrown) {
      fail(thrown);
      return { afterMs: OPEN_AGAIN_MS };
    }
  };
  const syncAll = async (): Promise<undefined> => {
    try {
      await audit.sync();
    } catch (thrown) {
      fail(thrown);
      parts.wakeAppend();
    }
  };

  return {
    add(events) {
      if (events.length === 0) return;
      queue.add(events, stamp());
      parts.wakeAppend();
    },
    async isDoneWithin(ms) {
      const upTo = queue.added;
      const isDone = (): boolean => queue.done >= upTo;
      if (isDone()) return true;
      return problem === "" && (await untilDone({ clock, waiting, ms, isOver: () => isDone() || problem !== "" })) && isDone();
    },
    late() {
      tellGap(LATE);
      // A log that is broken has told why.
      if (problem === "") setProblem(SLOW);
      parts.wakeAppend();
    },
    problem: () => problem,
    // A disk that does not answer must not keep the agent from ending.
    append: (signal) => Promise.race([writeAll(signal), aborted(signal)]),
    sync: (signal) => Promise.race([syncAll(), aborted(signal)]),
  };
}

/** Whether `isOver` became true in time; it is asked whenever one of `waiting` is called. */
function untilDone(given: {
  readonly clock: Clock;
  readonly waiting: Set<() => void>;
  readonly ms: number;
  readonly isOver: () => boolean;
}): Promise<boolean> {
  const { clock, waiting, ms, isOver } = given;
  return new Promise((resolve) => {
    const end = (isInTime: boolean): void => {
      timer.stop();
      waiting.delete(look);
      resolve(isInTime);
    };
    const look = (): void => {
      if (isOver()) end(true);
    };
    // A process that was busy itself hears of the time first, and of the write right after it.
    let timer = clock.after(ms, () => {
      timer = clock.after(0, () => end(isOver()));
    });
    waiting.add(look);
  });
}
