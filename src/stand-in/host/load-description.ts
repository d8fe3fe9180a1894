// SPDX-License-Identifier: Apache-2.0
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { readDocument } from "../../api/document.ts";
import { problemsText } from "../../api/problem.ts";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { readUserFileNow } from "../../runtime/user-file.ts";
import { expandHost } from "./expand.ts";
import { generateHost } from "./generate.ts";
import type { HostDescription } from "./host-description.ts";
import { type HostFile, hostSchema } from "./host-schema.ts";
import { parseListing } from "./listing.ts";

/**
 * Reads HOST.yaml and the files it names (paths are relative to it).
 * @throws SIMULATION_INVALID with the field's path, the value found and what to write instead.
 */
export function loadHostDescription(path: string): HostDescription {
  const file = parseHostFile(readSource(path), path);
  const at = (relative: string): string => resolve(dirname(path), relative);
  const images = Object.fromEntries(Object.entries(file.images).map(([name, from]) => [name, parseHexDump(readSource(at(from)), from)]));
  const listed = file.listing === undefined ? [] : parseListing(readSource(at(file.listing.file)), file.listing.file);
  return expandHost(withAdded(file, listed), images);
}

/** HOST.yaml's text as checked plain values, without the files it names. */
export function parseHostFile(text: string, name: string): HostFile {
  const document = readDocument(text);
  if (!document.ok) throw new AppError("SIMULATION_INVALID", `${name}:\n${problemsText(document.problems)}`, { details: { file: name } });
  const { value } = document.value;
  const parsed = hostSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => describeIssue(issue, value));
  throw new AppError("SIMULATION_INVALID", `${name}:\n  ${problems.join("\n  ")}`, { details: { file: name } });
}

/** Listed functions give way to those described by hand; generated ones are added. */
function withAdded(file: HostFile, listed: HostFile["functions"]): HostFile {
  const generated = file.generate === undefined ? { units: [], bridges: {}, functions: [] } : generateHost(file.generate);
  const described = new Set(file.functions.map((one) => one.address));
  return {
    ...file,
    units: [...file.units, ...generated.units],
    bridges: { ...generated.bridges, ...file.bridges },
    functions: [...listed.filter((one) => !described.has(one.address)), ...file.functions, ...generated.functions],
  };
}

function describeIssue(issue: z.core.$ZodIssue, root: unknown): string {
  const path = issue.path.map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`)).join("");
  const found = issue.path.reduce<unknown>((value, part) => (isRecord(value) ? value[String(part)] : undefined), root);
  const shown = found === undefined ? "nothing" : (JSON.stringify(found) ?? String(found)).slice(0, 80);
  return `${path === "" ? "(top)" : path}: found ${shown}; ${issue.message}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A dump as `lspci -xxxx` prints it: `840: 01 00 40 00 …`. Answer is base64. */
function parseHexDump(text: string, file: string): string {
  const bytes: number[] = [];
  for (const line of text.trim().split("\n")) {
    const match = /^([0-9a-f]+):((?: [0-9a-f]{2}){16})\s*$/.exec(line);
    if (match?.[1] === undefined || Number.parseInt(match[1], 16) !== bytes.length) {
      throw new AppError("SIMULATION_INVALID", `${file}: "${line.slice(0, 40)}" is not the next line of a hex dump (offset: 16 bytes)`);
    }
    bytes.push(
      ...(match[2] ?? "")
        .trim()
        .split(" ")
        .map((byte) => Number.parseInt(byte, 16)),
    );
  }
  return Buffer.from(bytes).toString("base64");
}

function readSource(path: string): string {
  try {
    return readUserFileNow(path).text;
  } catch (thrown) {
    throw new AppError("SIMULATION_INVALID", `${path} cannot be read: ${faultOf(thrown)}`, { cause: thrown, details: { path } });
  }
}
