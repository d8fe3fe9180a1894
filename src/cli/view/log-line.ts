// SPDX-License-Identifier: Apache-2.0
import { oneLine, paint, type Style } from "./text.ts";

const LEVEL_STYLES: Readonly<Record<string, Style>> = { warn: "warn", error: "bad", debug: "dim" };

/** Fields that every line of one process has: no news above its own live view. */
const SHARED = new Set(["level", "time", "message", "simulated", "node"]);

/** The time of day with milliseconds of an ISO time, as every line for people begins. */
export function timeOf(iso: string): string {
  return iso.slice(11, 23);
}

/** A JSON log line as a person reads it: `12:00:01.250 warn job failed  job=pass err=…`. Pure. */
export function humanLogLine(json: string, colour: boolean): string {
  const record = parseRecord(json);
  if (record === null) return oneLine(json);
  const { level, time, message } = record;
  const fields = Object.entries(record).filter(([key]) => !SHARED.has(key));
  const rest = fields.map(([key, value]) => `${key}=${plain(value)}`).join(" ");
  return `${paint(timeOf(String(time)), "dim", colour)} ${paint(String(level), LEVEL_STYLES[String(level)] ?? "plain", colour)} ${oneLine(String(message))}${rest === "" ? "" : `  ${paint(oneLine(rest), "dim", colour)}`}`;
}

function parseRecord(json: string): Record<string, unknown> | null {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** An error in one word and sentence; other objects as JSON. */
function plain(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && "message" in value) {
    return `${"code" in value ? `${String(value.code)}: ` : ""}${String(value.message)}`;
  }
  return JSON.stringify(value);
}
