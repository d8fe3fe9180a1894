// SPDX-License-Identifier: Apache-2.0
import type { Condition, DeviceStatus, NodeStatus, UnitStatus } from "../../domain/status.ts";
import { clean } from "../../runtime/printable.ts";
import { oneLine } from "./text.ts";
import { deviceReason, reasonText, unitName } from "./words.ts";

/** What changed between two statuses, one line each, for output that is not a terminal. `before` null: everything is new. Pure. */
export function changeLines(before: NodeStatus | null, after: NodeStatus): readonly string[] {
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

function unitLine(unit: UnitStatus, before: UnitStatus | undefined): string {
  if (before && before.state === unit.state && reasonText(before) === reasonText(unit) && before.tdxIommuId === unit.tdxIommuId) return "";
  const id = unit.tdxIommuId === "" ? "" : ` id ${unit.tdxIommuId}`;
  return `unit ${unitName(unit)} ${arrow(before?.state, unit.state)}${id} ${reasonText(unit)}`;
}

function deviceLine(device: DeviceStatus, before: DeviceStatus | undefined): string {
  if (before && before.offered === device.offered && deviceReason(before) === deviceReason(device)) return "";
  const verdict = device.offered ? `offered as ${device.resource}` : "withheld";
  const reason = deviceReason(device);
  return `device ${device.address} ${verdict}${reason === "" ? "" : ` ${reason}`}`;
}

function conditionLine(condition: Condition, before: Condition | undefined): string {
  if (before && before.status === condition.status && before.reason === condition.reason && before.message === condition.message) return "";
  return `condition ${condition.type} ${arrow(before?.status, condition.status)} ${condition.reason}: ${oneLine(condition.message)}`;
}

function arrow(before: string | undefined, after: string): string {
  return before === undefined || before === after ? after : `${before} → ${after}`;
}
