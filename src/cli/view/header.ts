// SPDX-License-Identifier: Apache-2.0
import type { ReadCondition, ReadStatus } from "../../domain/status.ts";
import { type Canvas, line, oneLine, type Span, span } from "./text.ts";
import { conditionMark, isAlarm, reasonText, simulatedBanner } from "./words.ts";

/** The top of every view of a node: who and on what, the banner of a simulation, what the conditions say, the one sentence for people. */
export function header(node: string, status: ReadStatus, canvas: Canvas): readonly string[] {
  const banner = simulatedBanner(status, canvas);
  const shown = alarms(status);
  // The summary is what Ready says, which is often what Degraded says.
  const isNews = status.summary !== "" && !shown.some((alarm) => alarm.message === status.summary);
  return [
    ...(banner === null ? [] : [banner]),
    identity(node, status, canvas),
    ...conditionLines(status, canvas),
    ...shown.map((alarm) => line([span(`${alarm.type} `, "bad"), span(reasonText(alarm))], canvas)),
    ...(isNews ? [line([span(oneLine(status.summary))], canvas)] : []),
  ];
}

function identity(node: string, status: ReadStatus, canvas: Canvas): string {
  const { driver, version, connect, environment } = status.tdxModule;
  const module = version === "" ? "unreadable" : `${version}${connect ? "" : " (without TDX Connect)"}`;
  const pairs = [
    ["node", node],
    ["driver", driver],
    ["TDX module", module],
    ...(environment === "Ok" || environment === "" ? [] : [["environment", environment]]),
  ];
  return line(
    pairs.flatMap(([key, value], index) => [span(`${index === 0 ? "" : "  "}${key} `, "dim"), span(value ?? "", "bold")]),
    canvas,
  );
}

function alarms(status: ReadStatus): readonly ReadCondition[] {
  return status.conditions.filter((condition) => isAlarm(condition) && condition.status !== "False");
}

/** Conditions in as few lines as the width allows, each as mark and type. An alarm that is off is no news. */
function conditionLines(status: ReadStatus, canvas: Canvas): readonly string[] {
  const lines: Span[][] = [[]];
  let used = 0;
  for (const condition of status.conditions.filter((item) => !isAlarm(item) || item.status !== "False")) {
    const width = condition.type.length + 4;
    if (used > 0 && used + width - 2 > canvas.width) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1)?.push(conditionMark(condition), span(` ${condition.type}  `));
    used += width;
  }
  return lines.filter((spans) => spans.length > 0).map((spans) => line(spans, canvas));
}
