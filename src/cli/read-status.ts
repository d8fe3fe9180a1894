// SPDX-License-Identifier: Apache-2.0
import { readJsonOrYaml } from "../api/document.ts";
import { parseStatus } from "../api/parse.ts";
import { problemsText } from "../api/problem.ts";
import type { NodeStatus } from "../domain/status.ts";
import { systemClock } from "../runtime/clock.ts";
import { AppError, faultOf } from "../runtime/errors.ts";
import { readUserFile } from "../runtime/user-file.ts";

/** A node as its agent last reported it. */
export interface ReportedNode {
  /** Empty when the report does not say. */
  readonly name: string;
  readonly status: NodeStatus;
}

/** The status in the file of a standalone agent: a whole TrustedIommu, YAML or JSON. @throws CONFIG_INVALID, when there is none, saying why · NOT_PERMITTED */
export async function readStatus(path: string): Promise<ReportedNode> {
  const read = readJsonOrYaml(await readText(path));
  if (!read.ok) throw refusal(path, problemsText(read.problems).replaceAll("\n", "; "));
  const object = asRecord(read.value);
  const status = parseStatus(object["status"]);
  if (status === null) throw refusal(path, "it holds no status of a TrustedIommu");
  const name = asRecord(object["metadata"])["name"];
  return { name: typeof name === "string" ? name : "", status };
}

async function readText(path: string): Promise<string> {
  try {
    return (await readUserFile(path, { clock: systemClock })).text;
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

/** The folder of an agent that runs as root is closed to others: rights are missing there, and another name would not help. */
export function unreadable(path: string, thrown: unknown): AppError {
  const isForbidden = thrown instanceof Error && "code" in thrown && thrown.code === "EACCES";
  if (!isForbidden) return refusal(path, faultOf(thrown), thrown);
  const message = `--status is "${path}": ${faultOf(thrown)}; run this as the agent's user, which is root in most cases`;
  return new AppError("NOT_PERMITTED", message, { cause: thrown });
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function refusal(path: string, problem: string, cause?: unknown): AppError {
  const fix = "name the file of a running agent with --status, its simulated host with --simulator, or a node of the cluster with --node";
  return new AppError("CONFIG_INVALID", `--status is "${path}": ${problem}; ${fix}`, cause === undefined ? {} : { cause });
}
