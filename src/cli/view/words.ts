// SPDX-License-Identifier: Apache-2.0
import { OTHER_UNIT_REASONS } from "../../domain/reason.ts";
import type { ReadCondition, ReadDevice, ReadStatus, ReadUnit } from "../../domain/status.ts";
import type { UnitState } from "../../domain/unit.ts";
import { type Canvas, line, oneLine, type Span, type Style, span } from "./text.ts";

/** How the words of a status look; shared by all views so that one state has one colour everywhere. */

/** A word that another version wrote has none. */
const STATE_STYLES: Readonly<Record<UnitState, Style>> = {
  Unknown: "warn",
  Unsupported: "dim",
  Untrusted: "plain",
  SettingUp: "busy",
  Trusted: "good",
  Clearing: "busy",
  Failed: "bad",
  Foreign: "bad",
};

/** What is known of a word of a status. */
function lookUp<T>(known: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(known, word) ? known[word] : undefined;
}

export function unitState(unit: ReadUnit): Span {
  return span(unit.state, lookUp(STATE_STYLES, unit.state) ?? "plain");
}

export function offered(device: ReadDevice): Span {
  return device.offered ? span("offered", "good") : span("withheld", "warn");
}

/** The reason, and what makes it concrete when there is more to say: `SetupRetrying: TDX_OPERAND_BUSY`. */
export function reasonText(item: { readonly reason: string; readonly message: string }): string {
  return item.message === "" ? item.reason : `${item.reason}: ${oneLine(item.message)}`;
}

/** A device says by whom it is used before it says anything else. */
export function deviceReason(device: ReadDevice): string {
  const reason = device.offered ? oneLine(device.message) : reasonText(device);
  const user = device.usedBy === null ? "" : `used by ${device.usedBy.pod === "" ? "a holder that is not named yet" : device.usedBy.pod}`;
  return [user, reason].filter((part) => part !== "").join("; ");
}

/** Nothing where there is no link, which is how devices rest. */
export function linkState({ link }: ReadDevice): Span {
  if (link.state === "Insecure") return span("");
  return span(link.state, link.state === "Secure" ? "good" : "warn");
}

/** Longest first; the first that fits is shown. */
const BANNERS = [
  " SIMULATED — no TDX hardware is used: the TDX module, the units and the devices are simulated ",
  " SIMULATED — no TDX hardware is used, nothing here is real ",
  " SIMULATED ",
] as const;

/** What must not be overlooked on a machine without hardware; null on a real one. */
export function simulatedBanner(status: ReadStatus, canvas: Canvas): string | null {
  if (!status.simulated) return null;
  const text = BANNERS.find((banner) => banner.length <= canvas.width) ?? "SIM";
  return line([span(text, "banner")], canvas);
}

/** Conditions for which True is bad news. */
const ALARMS: ReadonlySet<string> = new Set(["Degraded", "ClearBlocked"]);

/** A condition that warns: bad news when it is not False. */
export function isAlarm({ type }: ReadCondition): boolean {
  return ALARMS.has(type);
}

/** ✓ as it should be, ✗ not, ? unknown. */
export function conditionMark(condition: ReadCondition): Span {
  if (condition.status === "Unknown") return span("?", "warn");
  if (isAlarm(condition)) return condition.status === "True" ? span("✗", "bad") : span("✓", "good");
  return condition.status === "True" ? span("✓", "good") : span("✗", "warn");
}

/** The last SEAMCALL in short: `SETUP TDX_SUCCESS, 3 attempts, 21 ms`. */
export function lastCallText({ lastCall }: ReadUnit): string {
  if (lastCall === null) return "";
  const { leaf, name, operand, attempts, durationMs } = lastCall;
  const times = attempts === 1 ? "" : `, ${attempts} attempts`;
  return `${leaf.replace("TDH.IOMMU.", "")} ${name}${operand === "" ? "" : ` ${operand}`}${times}, ${Math.round(durationMs)} ms`;
}

/** IOMMUs that are none of the units, one line each: `dmar2  UnitUnreadable: address reads "garbage"`. */
export function otherUnitLines(status: ReadStatus, canvas: Canvas): readonly string[] {
  return status.otherUnits.map((unit) => {
    const style = unit.reason === "UnitUnreadable" ? "warn" : "dim";
    const message = unit.message === "" ? (lookUp(OTHER_UNIT_REASONS, unit.reason) ?? "") : unit.message;
    return line([span(`${unit.kernelName}  `), span(reasonText({ ...unit, message }), style)], canvas);
  });
}

/** `0xfed90000 (dmar0)`; the label is left out where the kernel gives none. */
export function unitName(unit: ReadUnit): string {
  return unit.kernelName === "" ? unit.regBase : `${unit.regBase} (${unit.kernelName})`;
}
