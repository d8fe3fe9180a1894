// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./looking.ts";
import { type NodeName, RELEASE, type Stage } from "./stage.ts";

/** One line that an agent wrote. */
export interface LogLine {
  /** RFC 3339, as the agent wrote it. */
  readonly time: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What the agents of a node have written since `sinceMs` (wall time); without the lines of pods that are gone, whose logs kubelet removes. */
export function agentLog(stage: Stage, node: NodeName, sinceMs = 0): readonly LogLine[] {
  const folder = stage.cluster.node(node).podLogsFolder;
  const pods = readdirSync(folder).filter((name) => name.startsWith(`${RELEASE}_`));
  const files = pods.flatMap((pod) => {
    const container = join(folder, pod, "agent");
    return readdirSync(container).map((name) => join(container, name));
  });
  const lines = files.flatMap((file) => readFileSync(file, "utf8").split("\n").flatMap(parseLine));
  return lines.filter((line) => Date.parse(line.time) >= sinceMs).toSorted((a, b) => (a.time < b.time ? -1 : 1));
}

/** A line of CRI's format: time, stream, F for a whole line, and what was written. */
function parseLine(line: string): LogLine[] {
  const written = /^\S+ (?:stdout|stderr) F (\{.*\})$/.exec(line)?.[1];
  if (written === undefined) return [];
  const { time, message, ...fields } = JSON.parse(written) as Record<string, unknown>;
  return [{ time: String(time), message: String(message), fields }];
}

/** Waits until the agents of a node have registered a resource since then. */
export async function untilRegistered(stage: Stage, node: NodeName, since: { readonly sinceMs: number; readonly resource: string }): Promise<void> {
  await until({
    what: `${since.resource} registered with kubelet on ${node}`,
    read: () => agentLog(stage, node, since.sinceMs),
    holds: (lines) => lines.some((line) => line.message === "registered with kubelet" && line.fields["resource"] === since.resource),
    describe: (lines) => lines.map((line) => line.message).join(", "),
  });
}
