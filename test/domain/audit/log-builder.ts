// SPDX-License-Identifier: Apache-2.0

/** Writes audit logs for tests as one writes a story: an event a line, numbered as they come. */
import { type AuditEvent, type AuditEventName, auditEvent } from "../../../src/domain/audit/event.ts";
import { type AuditLine, lineText } from "../../../src/domain/audit/line.ts";
import { type Order, orderOf } from "../../../src/domain/audit/order.ts";
import { type AuditText, readRecord } from "../../../src/domain/audit/record.ts";
import { indexLines } from "../../../src/domain/audit/story.ts";
import { INSTANCE, REG_BASE } from "../../support/builders.ts";

export const DEVICE = "0000:17:00.0";
export const OTHER = "0000:17:00.1";
export const FIRST = `${INSTANCE}/0x1`;
export const SECOND = `${INSTANCE}/0x2`;

/** The event's name, and what is other than usual: of the device, its slot and its unit, in the first span of trust. */
export type Said = AuditEventName | readonly [AuditEventName, Partial<AuditLine>];

export function linesOf(said: readonly Said[]): readonly AuditLine[] {
  let seq = 0;
  return said.map((one) => {
    const [event, more] = typeof one === "string" ? ([one, {}] as const) : one;
    seq = more.seq ?? seq + 1;
    const about: Partial<AuditEvent> = {
      address: event.startsWith("Unit") ? "" : DEVICE,
      slot: event.startsWith("Unit") ? "" : DEVICE,
      unit: REG_BASE,
    };
    const stamp = { boot: "boot-1", instance: INSTANCE, agent: "1/1", upMs: seq, time: "2026-01-01T00:00:00.000Z" };
    const ofAll = event.startsWith("Agent") || event === "Gap" ? auditEvent(event, "agent") : auditEvent(event, "agent", { ...about, epoch: FIRST });
    return { ...stamp, ...ofAll, ...more, seq };
  });
}

export function textOf(lines: readonly AuditLine[], name = "audit-000000000000001.jsonl"): AuditText {
  return { name, text: lines.map((line) => `${lineText(line)}\n`).join("") };
}

/** The order of the device, by a log that goes the whole way of a file. */
export function judged(...said: readonly Said[]): Order {
  return orderOf(indexLines(readRecord([textOf(linesOf(said))]).lines).storyOf(DEVICE));
}

/** A whole life. */
export const LIFE: readonly Said[] = [
  "AgentStarted",
  "UnitSetUp",
  "LinkChecked",
  "DeviceOffered",
  "DeviceAllocated",
  "LinkSecuring",
  "LinkSecured",
  "DeviceStarted",
  "DeviceFree",
  "LinkReleasing",
  "LinkReleased",
  "DeviceWithdrawn",
  "UnitCleared",
];

/** The life up to an event, which is in it. */
export function until(event: AuditEventName): readonly Said[] {
  return LIFE.slice(0, LIFE.indexOf(event) + 1);
}

export function without(...events: readonly AuditEventName[]): readonly Said[] {
  return LIFE.filter((one) => !events.includes(one as AuditEventName));
}
