// SPDX-License-Identifier: Apache-2.0

/** The sections of docs/reasons.md: each reason of src/domain/reason.ts with its meaning and what to do about it. */
import { CONDITION_REASONS, DEVICE_REASONS, OTHER_UNIT_REASONS, UNIT_REASONS } from "../../src/domain/reason.ts";
import { CONDITIONS } from "./condition-advice.ts";
import { CONDITION_REASON_ADVICE } from "./condition-reason-advice.ts";
import { DEVICE_ADVICE } from "./device-advice.ts";
import { plain, sentence } from "./markdown.ts";
import { OTHER_UNIT_ADVICE, UNIT_ADVICE } from "./unit-advice.ts";

/** One kind of thing that has reasons: the first word of each heading, so that a reason that two kinds share has two anchors. */
export interface ReasonList {
  readonly of: string;
  readonly meanings: Readonly<Record<string, string>>;
  readonly advice: Readonly<Record<string, string>>;
}

/** By the name of their block. */
export const REASON_LISTS: Readonly<Record<string, ReasonList>> = {
  "device-reasons": { of: "Device", meanings: DEVICE_REASONS, advice: DEVICE_ADVICE },
  "unit-reasons": { of: "Unit", meanings: UNIT_REASONS, advice: UNIT_ADVICE },
  "other-unit-reasons": { of: "Other unit", meanings: OTHER_UNIT_REASONS, advice: OTHER_UNIT_ADVICE },
  "condition-reasons": { of: "Condition reason", meanings: CONDITION_REASONS, advice: CONDITION_REASON_ADVICE },
};

/** Heading of a reason's section. */
export function headingOf(list: ReasonList, reason: string): string {
  return `${list.of}: ${reason}`;
}

/** One section a reason. */
export function reasonSections(list: ReasonList): string {
  return Object.entries(list.meanings)
    .map(([reason, meaning]) => {
      const advice = list.advice[reason] ?? "";
      return `### ${headingOf(list, reason)}\n\n${plain(sentence(meaning))}\n\n**What to do:** ${advice}`;
    })
    .join("\n\n");
}

/** One section a type of condition. */
export function conditionSections(): string {
  return Object.entries(CONDITIONS)
    .map(([type, { says, healthy }]) => `### Condition: ${type}\n\n${says} On a healthy node: ${healthy}.`)
    .join("\n\n");
}
