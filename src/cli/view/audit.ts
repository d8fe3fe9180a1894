// SPDX-License-Identifier: Apache-2.0

/** The story of a device, and the answer for each one, for people and for programs. Pure. */
import type { Course, OrderVerdict } from "../../domain/audit/course.ts";
import type { AuditLine } from "../../domain/audit/line.ts";
import type { Order } from "../../domain/audit/order.ts";
import type { AuditRecord } from "../../domain/audit/record.ts";
import { type Story, toldLines } from "../../domain/audit/story.ts";
import { table } from "./table.ts";
import { type Canvas, jsonText, line, type Span, type Style, span, wrapped } from "./text.ts";

export interface ToldDevice {
  readonly story: Story;
  readonly order: Order;
}

const STYLES: Readonly<Record<OrderVerdict, Style>> = { held: "good", violated: "bad", unproven: "warn" };
/** In words: `was` for a person who asks of the order. */
const MEANINGS: Readonly<Record<OrderVerdict, string>> = {
  held: "each step is in the log, and came after what it needs",
  violated: "a step came without what it needs, or before it",
  unproven: "the log does not have all of it",
};

export function auditText({ story, order, record }: ToldDevice & { readonly record: AuditRecord }, canvas: Canvas): readonly string[] {
  const { address, slot, unit } = story;
  const { verdict, why } = order;
  const head = [span(address, "bold"), span(": the order is "), span(verdict, STYLES[verdict]), span(`, ${MEANINGS[verdict]}`)];
  const place = unit === "" ? `slot ${slot}` : `unit ${unit}, slot ${slot}`;
  return [
    line(head, canvas),
    ...(why === "" ? [] : textLines(why, canvas, STYLES[verdict])),
    line([span(place, "dim")], canvas),
    "",
    ...order.courses.flatMap((course, index) => courseText(course, { number: index + 1, canvas })),
    ...table(
      [
        { title: "LINE", min: 4, rank: 5 },
        { title: "TIME (FOR PEOPLE)", min: 10, rank: 1 },
        { title: "EVENT", min: 12, rank: 6 },
        { title: "ABOUT", min: 12, rank: 4 },
        { title: "BY", min: 5, rank: 2 },
        { title: "DETAIL", min: 6, rank: 0 },
      ],
      toldLines(story).map(rowOf),
      canvas,
    ),
    ...readingText(record, canvas),
  ];
}

/** One span of trust: its steps with their lines, and what speaks against it. */
function courseText(
  { verdict, steps, findings, epoch }: Course,
  { number, canvas }: { readonly number: number; readonly canvas: Canvas },
): readonly string[] {
  const head = [span(`span of trust ${number}: `), span(verdict, STYLES[verdict]), span(epoch === "" ? "" : `  ${epoch}`, "dim")];
  return [
    line(head, canvas),
    ...textLines(wayOf(steps), canvas, "plain"),
    ...findings.flatMap((one) => textLines(`${one.verdict}: ${one.why}`, canvas, STYLES[one.verdict])),
    "",
  ];
}

function wayOf(steps: Course["steps"]): string {
  return steps.map(({ step, seq }) => `${step} (${seq})`).join(" → ");
}

const INDENT = 2;

function textLines(text: string, canvas: Canvas, style: Style): readonly string[] {
  return wrapped(text, Math.max(1, canvas.width - INDENT)).map((row) => line([span(" ".repeat(INDENT)), span(row, style)], canvas));
}

const BAD: ReadonlySet<string> = new Set(["Gap", "UnitLost", "LinkBroken", "LinkGone"]);

function rowOf({ seq, time, event, address, unit, by, agent, detail }: AuditLine): readonly Span[] {
  const when = time.slice(0, 23).replace("T", " ");
  return [
    span(String(seq)),
    span(when, "dim"),
    span(event, BAD.has(event) ? "warn" : "plain"),
    span(address || unit),
    span(by === "agent" ? `agent ${agent}` : by, "dim"),
    span(detail, "dim"),
  ];
}

/** How far the log was read. */
function readingText({ problems, unreadable, endedAt, lines }: AuditRecord, canvas: Canvas): readonly string[] {
  const more = unreadable > problems.length ? [`and ${unreadable - problems.length} more`] : [];
  const notes = [...problems, ...more].map((text) => line([span(`not read: ${text}`, "warn")], canvas));
  const end = endedAt === "" ? "nothing in the log can be read" : `${lines.length} lines of the log were read, the last one is ${endedAt}`;
  return ["", ...notes, line([span(end, "dim")], canvas)];
}

export function auditNodeText(devices: readonly ToldDevice[], record: AuditRecord, canvas: Canvas): readonly string[] {
  if (devices.length === 0) return [line([span("no line is about a device")], canvas), ...readingText(record, canvas)];
  const rows = devices.map(({ story, order }) => [
    span(story.address),
    span(order.verdict, STYLES[order.verdict]),
    span(String(order.courses.length)),
    span(order.why || wayOf(order.courses.at(-1)?.steps ?? []), "dim"),
  ]);
  const columns = [
    { title: "DEVICE", min: 12, rank: 3 },
    { title: "ORDER", min: 8, rank: 2 },
    { title: "SPANS", min: 5, rank: 1 },
    { title: "BY LINES", min: 10, rank: 0 },
  ];
  return [...table(columns, rows, canvas), ...readingText(record, canvas)];
}

export function auditJson({ story, order, record }: ToldDevice & { readonly record: AuditRecord }): string {
  const { address, slot, unit } = story;
  return jsonText({ address, slot, unit, ...order, lines: toldLines(story), reading: readingOf(record) });
}

export function auditNodeJson(devices: readonly ToldDevice[], record: AuditRecord): string {
  return jsonText({
    devices: devices.map(({ story: { address, slot, unit }, order }) => ({ address, slot, unit, ...order })),
    reading: readingOf(record),
  });
}

function readingOf({ lines, problems, unreadable, endedAt }: AuditRecord) {
  return { lines: lines.length, problems, unreadable, endedAt };
}
