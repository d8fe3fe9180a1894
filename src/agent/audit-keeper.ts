// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps the audit log (domain/audit/): tells what each look and each deed of the agent mean, in order, and writes it down in jobs of its own. Nothing waits
 * for the log but the answer to an Allocate, and that for 100 ms at most; nothing is ever decided by it.
 */
import type { AuditPort } from "../audit-log/port.ts";
import { type Deed, tellDeed, tellList } from "../domain/audit/deed.ts";
import { auditEvent } from "../domain/audit/event.ts";
import type { Stamp } from "../domain/audit/line.ts";
import { tellLook } from "../domain/audit/look.ts";
import { type Look, NOTHING_SEEN, type Seen } from "../domain/audit/seen.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import type { Log } from "../runtime/log.ts";
import { createAuditWriter } from "./audit-writer.ts";

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

export function createAuditKeeper({ ports, ...wakes }: AuditKeeperParts): AuditKeeper {
  const { clock, log, audit } = ports;
  if (audit === null) return NO_AUDIT;
  let seen: Seen = NOTHING_SEEN;
  let listed: ReadonlySet<string> = new Set();
  const stamp = (): Stamp => ({
    boot: seen.boot,
    instance: seen.instance,
    agent: audit.agent,
    upMs: Math.max(0, Math.round(audit.sinceBootMs())),
    time: new Date(clock.wallMs()).toISOString(),
  });
  const writer = createAuditWriter({ clock, log, audit, stamp, ...wakes });

  return {
    looked(look) {
      const { host, driver } = look.ground.view;
      const isFirst = seen === NOTHING_SEEN;
      // What a process found is told once, and whole: until it has read both it offers nothing, either.
      if (isFirst && (host.kind !== "Read" || driver.kind !== "Read")) return;
      const told = tellLook(seen, look);
      seen = told.seen;
      writer.add(isFirst ? [auditEvent("AgentStarted", "agent"), ...told.events] : told.events);
    },
    did(deed) {
      const told = tellDeed(seen, deed);
      seen = told.seen;
      writer.add(told.events);
    },
    listed(offer) {
      const after = new Set(offer.flatMap(({ resource, devices }) => devices.flatMap(({ id, healthy }) => (healthy ? [`${resource} ${id}`] : []))));
      writer.add(tellList(seen, listed, after));
      listed = after;
    },
    async written() {
      if (!(await writer.isDoneWithin(WRITTEN_WITHIN_MS))) writer.late();
    },
    problem: writer.problem,
    append: writer.append,
    sync: writer.sync,
    async end() {
      if (seen === NOTHING_SEEN) return;
      writer.add(tellDeed(seen, { kind: "Stop" }).events);
      await writer.isDoneWithin(END_WITHIN_MS);
    },
    // A disk that does not answer is not waited for.
    close: () => void audit.close(),
  };
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
