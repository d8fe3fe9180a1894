// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps the audit log (domain/audit/): tells what each look and each deed of the agent mean, in order, and writes it down in jobs of its own. Nothing waits
 * for the log but the answer to an Allocate, and that for 100 ms at most; nothing is ever decided by it.
 */
import type { AuditPort } from "../audit-log/port.ts";
import { type Deed, tellDeed, tellList } from "../domain/audit/deed.ts";
import { type AuditEvent, auditEvent, isSynced } from "../domain/audit/event.ts";
import { lineText, type Stamp } from "../domain/audit/line.ts";
import { tellLook } from "../domain/audit/look.ts";
import { type Look, NOTHING_SEEN, type Seen } from "../domain/audit/seen.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { Clock } from "../runtime/clock.ts";
import { messageOf } from "../runtime/errors.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import type { Log } from "../runtime/log.ts";
import { createAuditQueue, type Noted } from "./audit-queue.ts";

export interface AuditKeeper {
  /** After each look that the memory was made to remember. */
  looked(look: Look): void;
  did(deed: Deed): void;
  /** Before kubelet is told. */
  listed(offer: readonly OfferedResource[]): void;
  /** Resolves when all that was noted so far is in the log, or when that is not waited for any more. Never rejects. */
  written(): Promise<void>;
  /** Why the log cannot be written; empty when it can. */
  problem(): string;
  /** One run of the job that appends, and of the one that syncs. */
  append(signal: AbortSignal): Promise<RunAgain | undefined>;
  sync(signal: AbortSignal): Promise<undefined>;
  /** The last line, waited for a second at most. The jobs must still run. */
  end(): Promise<void>;
  /** Once the jobs have ended. */
  close(): void;
}

export interface AuditKeeperParts {
  readonly ports: { readonly clock: Clock; readonly log: Log; readonly audit: AuditPort | null };
  readonly wakeAppend: () => void;
  readonly wakeSync: () => void;
  /** The log can be written no more, or again. */
  readonly onProblem: () => void;
}

/** An append to a file is a matter of microseconds; kubelet gives an Allocate far longer. */
export const WRITTEN_WITHIN_MS = 100;
const END_WITHIN_MS = 1_000;
const OPEN_AGAIN_MS = 2_000;
const MOST_AT_ONCE = 256;

export function createAuditKeeper(parts: AuditKeeperParts): AuditKeeper {
  const { clock, log, audit } = parts.ports;
  if (audit === null) return NO_AUDIT;
  const queue = createAuditQueue();
  const waiting = new Set<{ readonly upTo: number; readonly go: () => void }>();
  let seen: Seen = NOTHING_SEEN;
  let listed: ReadonlySet<string> = new Set();
  /** Null: the log is to be opened. */
  let nextSeq: number | null = null;
  /** Of this process: a log that was taken away begins anew, and its numbers do not. */
  let lastSeq = 0;
  let problem = "";
  /** Why a Gap is due before the next line. */
  let gaps: readonly string[] = [];

  const stamp = (): Stamp => ({
    boot: seen.boot,
    instance: seen.instance,
    agent: audit.agent,
    upMs: Math.max(0, Math.round(audit.sinceBootMs())),
    time: new Date(clock.wallMs()).toISOString(),
  });
  const note = (events: readonly AuditEvent[]): void => {
    if (events.length === 0) return;
    queue.add(events, stamp());
    parts.wakeAppend();
  };
  const letGo = (isAll: boolean): void => {
    for (const one of [...waiting]) if (isAll || one.upTo <= queue.done) one.go();
  };
  const setProblem = (text: string): void => {
    if (problem === text) return;
    problem = text;
    if (text === "") log.info({}, "the audit log is written again");
    else log.warn({ detail: text }, "the audit log is not written");
    parts.onProblem();
  };
  const fail = (thrown: unknown): void => {
    nextSeq = null;
    const why = messageOf(thrown);
    gaps = [...new Set([...gaps, `the log could not be written: ${why}`])].slice(0, 2);
    setProblem(why);
    letGo(true);
  };

  /** @returns false when there is nothing to write */
  const writeSome = async (): Promise<boolean> => {
    const told = gaps;
    const due: readonly Noted[] = told.map((detail) => ({ ...stamp(), ...auditEvent("Gap", "agent", { detail }) }));
    const batch = queue.next(MOST_AT_ONCE);
    if (due.length + batch.length === 0) return false;
    const first = nextSeq ?? Math.max(await audit.open(), lastSeq + 1);
    const lines = [...due, ...batch].map((noted, index) => lineText({ ...noted, seq: first + index }));
    await audit.append(lines, first);
    nextSeq = first + lines.length;
    lastSeq = nextSeq - 1;
    queue.written(batch.length);
    gaps = gaps.filter((gap) => !told.includes(gap));
    letGo(false);
    setProblem("");
    if (batch.some(isSynced)) parts.wakeSync();
    return true;
  };

  return {
    looked(look) {
      const { host, driver } = look.ground.view;
      const isFirst = seen === NOTHING_SEEN;
      // What a process found is told once, and whole: until it has read both it offers nothing, either.
      if (isFirst && (host.kind !== "Read" || driver.kind !== "Read")) return;
      const told = tellLook(seen, look);
      seen = told.seen;
      note(isFirst ? [auditEvent("AgentStarted", "agent"), ...told.events] : told.events);
    },
    did(deed) {
      const told = tellDeed(seen, deed);
      seen = told.seen;
      note(told.events);
    },
    listed(offer) {
      const after = new Set(offer.flatMap(({ resource, devices }) => devices.flatMap(({ id, healthy }) => (healthy ? [`${resource} ${id}`] : []))));
      note(tellList(seen, listed, after));
      listed = after;
    },
    async written() {
      const upTo = queue.added;
      if (queue.done >= upTo) return;
      if (problem === "" && (await isDoneWithin(upTo, WRITTEN_WITHIN_MS))) return;
      gaps = [...new Set([...gaps, LATE])].slice(0, 2);
      // A log that is broken has told why.
      if (problem === "") setProblem(SLOW);
      parts.wakeAppend();
    },
    problem: () => problem,
    async append(signal) {
      const work = async (): Promise<RunAgain | undefined> => {
        try {
          while (!signal.aborted && (await writeSome()));
          return undefined;
        } catch (thrown) {
          fail(thrown);
          return { afterMs: OPEN_AGAIN_MS };
        }
      };
      // A disk that does not answer must not keep the agent from ending.
      return await Promise.race([work(), aborted(signal)]);
    },
    async sync(signal) {
      const work = async (): Promise<undefined> => {
        await audit.sync().catch((thrown: unknown) => {
          fail(thrown);
          parts.wakeAppend();
        });
        return undefined;
      };
      return await Promise.race([work(), aborted(signal)]);
    },
    async end() {
      if (seen === NOTHING_SEEN) return;
      note(tellDeed(seen, { kind: "Stop" }).events);
      if (problem === "") await isDoneWithin(queue.added, END_WITHIN_MS);
    },
    // A disk that does not answer is not waited for.
    close: () => void audit.close(),
  };

  function isDoneWithin(upTo: number, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isDone: boolean): void => {
        timer.stop();
        waiting.delete(one);
        resolve(isDone);
      };
      const one = { upTo, go: () => end(queue.done >= upTo) };
      // A process that was busy itself hears of the time first, and of the write right after it.
      let timer = clock.after(ms, () => {
        timer = clock.after(0, one.go);
      });
      waiting.add(one);
    });
  }
}

const SLOW = `the disk of the audit log did not take a line within ${WRITTEN_WITHIN_MS} ms`;
const LATE = "an Allocate was answered before its line was written";

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

const NO_AUDIT: AuditKeeper = {
  looked: () => undefined,
  did: () => undefined,
  listed: () => undefined,
  written: async () => undefined,
  problem: () => "",
  append: async () => undefined,
  sync: async () => undefined,
  end: async () => undefined,
  close: () => undefined,
};
