// SPDX-License-Identifier: Apache-2.0
import { readJsonOrYaml } from "../api/document.ts";
import { parseStatus } from "../api/parse.ts";
import { problemsText } from "../api/problem.ts";
import type { ReadStatus } from "../domain/status.ts";
import { systemClock } from "../runtime/clock.ts";
import { AppError, faultOf } from "../runtime/errors.ts";
import { readUserFile } from "../runtime/user-file.ts";

/** A node as its agent last reported it. */
export interface ReportedNode {
  /** Empty when the report does not say. */
  readonly name: string;
  readonly status: ReadStatus;
}

/** Where a status is looked for. */
export interface StatusPlace {
  readonly path: string;
  /** Which agent would write it, for people. */
  readonly words: string;
}

/**
 * The status in the file of a standalone agent: a whole TrustedIommu, YAML or JSON.
 * @throws STATUS_ABSENT · STATUS_INVALID, saying why · NOT_PERMITTED
 */
export async function readStatus({ path, words }: StatusPlace): Promise<ReportedNode> {
  const read = readJsonOrYaml(await readText({ path, words }));
  if (!read.ok) throw new AppError("STATUS_INVALID", `${path} is no status: ${problemsText(read.problems).replaceAll("\n", "; ")}`);
  const object = asRecord(read.value);
  const status = parseStatus(object["status"]);
  if (status === null) throw new AppError("STATUS_INVALID", `${path} holds no status of a TrustedIommu: name the file that an agent writes`);
  const name = asRecord(object["metadata"])["name"];
  return { name: typeof name === "string" ? name : "", status };
}

async function readText(place: StatusPlace): Promise<string> {
  try {
    return (await readUserFile(place.path, { clock: systemClock })).text;
  } catch (thrown) {
    throw unreadable(place, thrown);
  }
}

const ELSEWHERE = "--status FILE, --simulator DIR and --node NAME name other places";

/** The folder of an agent that runs as root is closed to others: rights are missing there, and another name would not help. */
export function unreadable({ path, words }: StatusPlace, thrown: unknown): AppError {
  const isForbidden = thrown instanceof Error && "code" in thrown && thrown.code === "EACCES";
  if (!isForbidden) {
    return new AppError("STATUS_ABSENT", `there is no status of ${words} at ${path}: ${faultOf(thrown)}\nstart the agent first; ${ELSEWHERE}`, {
      cause: thrown,
    });
  }
  return new AppError("NOT_PERMITTED", `${path}: ${faultOf(thrown)}; run this as the agent's user, which is root in most cases`, { cause: thrown });
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
