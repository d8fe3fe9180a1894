// SPDX-License-Identifier: Apache-2.0
/** The answer of `preflight` for people and for programs. Pure. */
import { type Preflight, unmet } from "../preflight/preflight.ts";
import type { Requirement, RequirementState } from "../preflight/requirement.ts";
import { type Canvas, columns, jsonText, line, oneLine, padTo, type Span, span, wrapped } from "./text.ts";

const MARKS: Readonly<Record<RequirementState, Span>> = {
  Found: span("✓", "good"),
  Missing: span("✗", "bad"),
  Unknown: span("?", "warn"),
  NotNeeded: span("-", "dim"),
};

/** How far what is told below a title is moved to the right. */
const INDENT = "    ";

/** Each requirement with what was read, the fix of each that is not met below it, and a last sentence that sums up. */
export function preflightText(result: Preflight, canvas: Canvas): readonly string[] {
  const { requirements, simulated } = result;
  const titleWidth = Math.max(...requirements.map(({ title }) => columns(title)));
  const banner = simulated ? [line([span("SIMULATED: the hardware of this node is not real", "warn")], canvas)] : [];
  return [...banner, ...requirements.flatMap((one) => linesOf(one, titleWidth, canvas)), "", ...summary(result, canvas)];
}

function linesOf({ title, state, found, fix }: Requirement, titleWidth: number, canvas: Canvas): readonly string[] {
  const besides = wrapped(oneLine(found), Math.max(1, canvas.width - titleWidth - INDENT.length));
  const read = besides.map((text, index) =>
    index === 0
      ? line([MARKS[state], span(` ${padTo(title, titleWidth)}  ${text}`)], canvas)
      : line([span(`${" ".repeat(titleWidth)}${INDENT}${text}`)], canvas),
  );
  const advice = fix === "" ? [] : wrapped(`→ ${oneLine(fix)}`, Math.max(1, canvas.width - INDENT.length));
  return [...read, ...advice.map((text) => line([span(INDENT), span(text, "warn")], canvas))];
}

function summary(result: Preflight, canvas: Canvas): readonly string[] {
  const open = unmet(result);
  const needed = result.requirements.filter(({ state }) => state !== "NotNeeded");
  const text =
    open.length === 0
      ? `all ${needed.length} requirements are met`
      : `${open.length} of ${needed.length} requirements are not met: ${open.map(({ name }) => name).join(", ")}`;
  return wrapped(text, canvas.width).map((part) => line([span(part, open.length === 0 ? "good" : "bad")], canvas));
}

/** The same for programs. */
export function preflightJson(result: Preflight): string {
  const { simulated, requirements } = result;
  return jsonText({ ready: unmet(result).length === 0, simulated, requirements });
}
