// SPDX-License-Identifier: Apache-2.0
import type { ReadCondition, ReadDevice, ReadStatus, ReadUnit } from "../../domain/status.ts";
import { clean } from "../../runtime/printable.ts";
import { oneLine } from "./text.ts";
import { deviceReason, isAlarm, reasonText, unitName } from "./words.ts";

/**
 * What changed between two statuses, one line each, for output that is not a terminal: each change once, by what it is a change of. Conditions that only
 * sum up units and devices are left out. `before` null: everything is new. Pure.
 */
export function changeLines(before: ReadStatus | null, after: ReadStatus): readonly string[] {
  return [
    ...changed(before?.units ?? [], after.units, { key: (unit) => unit.regBase, say: unitLine, gone: (unit) => `unit ${unitName(unit)} is gone` }),
    ...changed(before?.devices ?? [], after.devices, {
      key: (device) => device.address,
      say: deviceLine,
      gone: (device) => `device ${device.address} is gone`,
    }),
    ...changed(before?.conditions ?? [], after.conditions, { key: (condition) => condition.type, say: conditionLine, gone: () => "" }),
  ]
    .filter((text) => text !== "")
    .map(clean);
}

interface Speech<T> {
  readonly key: (item: T) => string;
  readonly say: (item: T, before: T | undefined) => string;
  readonly gone: (item: T) => string;
}

function changed<T>(before: readonly T[], after: readonly T[], speech: Speech<T>): readonly string[] {
  const old = new Map(before.map((item) => [speech.key(item), item]));
  const now = new Set(after.map(speech.key));
  const spoken = after.map((item) => speech.say(item, old.get(speech.key(item))));
  return [...spoken, ...before.filter((item) => !now.has(speech.key(item))).map(speech.gone)];
}

function unitLine(unit: ReadUnit, before: ReadUnit | undefined): string {
  if (before && before.state === unit.state && before.reason === unit.reason && before.tdxIommuId === unit.tdxIommuId) return "";
  const id = unit.tdxIommuId === "" ? "" : ` id ${unit.tdxIommuId}`;
  return `unit ${unitName(unit)} ${arrow(before?.state, unit.state)}${id} ${reasonText(unit)}`;
}

function deviceLine(device: ReadDevice, before: ReadDevice | undefined): string {
  const isSame = before?.offered === device.offered && before.reason === device.reason && before.usedBy?.pod === device.usedBy?.pod;
  if (isSame) return "";
  const verdict = device.offered ? `offered as ${device.resource}` : "withheld";
  const reason = deviceReason(device);
  return `device ${device.address} ${verdict}${reason === "" ? "" : ` ${reason}`}`;
}

/** Counts of what the lines of units and devices tell one by one. */
const SUMS: ReadonlySet<string> = new Set(["UnitsTrusted", "DevicesOffered"]);

/** While an alarm goes on, what it says is news. Of the others only that they begin or cease to hold: why is told by a unit, a device or an alarm. */
function conditionLine(condition: ReadCondition, before: ReadCondition | undefined): string {
  if (SUMS.has(condition.type)) return "";
  const isOff = isAlarm(condition) ? condition.status === "False" : condition.type === "Ready" && condition.status !== "True";
  const isSame = before?.status === condition.status && (!isAlarm(condition) || isOff || before.message === condition.message);
  if (isSame || (before === undefined && isOff)) return "";
  const why = condition.type === "Ready" && condition.status !== "True" ? "" : `: ${oneLine(condition.message)}`;
  return `condition ${condition.type} ${arrow(before?.status, condition.status)} ${condition.reason}${why}`;
}

function arrow(before: string | undefined, after: string): string {
  return before === undefined || before === after ? after : `${before} → ${after}`;
}
