// SPDX-License-Identifier: Apache-2.0

/** One line of the audit log: an event with its place, its time and its writer, as JSON. Pure. */
import { ACTORS, AUDIT_EVENTS, type AuditEvent, type AuditEventName } from "./event.ts";

/** When it happened, and who wrote it down. Nothing is concluded from the times. */
export interface Stamp {
  readonly boot: string;
  /** Load of the TDX module's driver, 32 hex digits; empty while it cannot be read. */
  readonly instance: string;
  /** The process that writes: `pid/start`, the start in clock ticks since the boot. */
  readonly agent: string;
  /** Milliseconds since the boot. */
  readonly upMs: number;
  /** RFC 3339, by the wall clock. */
  readonly time: string;
}

export interface AuditLine extends Stamp, AuditEvent {
  /** One more than that of the line before. */
  readonly seq: number;
}

/** Without a line end. */
export function lineText({ seq, boot, instance, epoch, upMs, time, event, address, slot, unit, by, agent, detail }: AuditLine): string {
  return JSON.stringify({ seq, boot, instance, epoch, upMs, time, event, address, slot, unit, by, agent, detail });
}

const TEXTS = ["boot", "instance", "epoch", "time", "event", "address", "slot", "unit", "by", "agent", "detail"] as const;

/** Null for what this program would not write. */
export function lineFrom(text: string): AuditLine | null {
  const found = recordFrom(text);
  if (found === null) return null;
  const { seq, upMs, event, by } = found;
  if (!isCount(seq) || seq === 0 || !isCount(upMs)) return null;
  if (!TEXTS.every((key) => typeof found[key] === "string")) return null;
  if (!isEvent(event) || !ACTORS.some((actor) => actor === by)) return null;
  return found as unknown as AuditLine;
}

function recordFrom(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isEvent(value: unknown): value is AuditEventName {
  return typeof value === "string" && Object.hasOwn(AUDIT_EVENTS, value);
}
