// SPDX-License-Identifier: Apache-2.0
import { DEVICE_REASONS } from "../../domain/reason.ts";
import { table } from "./table.ts";
import { type Canvas, jsonText, line, oneLine, type Span, span } from "./text.ts";

/** A verdict of the gate, as far as it is explained (Verdict of domain/gate/inputs.ts fits). */
export interface Explained {
  readonly address: string;
  readonly offered: boolean;
  readonly reason: keyof typeof DEVICE_REASONS;
  readonly resource: { readonly name: string } | null;
  readonly rules: readonly { readonly reason: string; readonly passed: boolean; readonly read: string }[];
}

/** Every rule of the gate with the values it read; the first that failed is the reason and is marked. Pure. */
export function explainText(verdict: Explained, canvas: Canvas): readonly string[] {
  const deciding = verdict.rules.findIndex((rule) => !rule.passed);
  const rows = verdict.rules.map((rule, index) => [mark(rule.passed, index === deciding), span(rule.reason), span(rule.read, "dim")]);
  return [
    line([span(verdict.address, "bold"), ...conclusion(verdict)], canvas),
    line([span(verdict.offered ? "" : `${verdict.reason}: ${DEVICE_REASONS[verdict.reason]}`)], canvas),
    "",
    ...table(
      [
        { title: "RULE", min: 6, rank: 2 },
        { title: "WITHHELD WHEN IT FAILS AS", min: 22, rank: 1 },
        { title: "READ", min: 10, rank: 0 },
      ],
      rows,
      canvas,
    ),
  ].filter((text, index) => index !== 1 || text !== "");
}

function conclusion(verdict: Explained): readonly Span[] {
  if (verdict.offered) return [span(" is "), span("offered", "good"), span(` as ${verdict.resource?.name ?? ""}`)];
  return [span(" is "), span("withheld", "warn"), span(`: ${verdict.reason}`)];
}

function mark(passed: boolean, decides: boolean): Span {
  if (passed) return span("✓ pass", "good");
  return decides ? span("✗ FAIL", "bad") : span("✗ fail", "warn");
}

/** The same for programs. */
export function explainJson(verdict: Explained): string {
  const { address, offered, reason, resource, rules } = verdict;
  const plain = rules.map((rule) => ({ rule: rule.reason, passed: rule.passed, read: oneLine(rule.read), reason: rule.passed ? "" : rule.reason }));
  return jsonText({ address, offered, reason, meaning: DEVICE_REASONS[reason], resource: resource?.name ?? "", rules: plain });
}
