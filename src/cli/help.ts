// SPDX-License-Identifier: Apache-2.0
/** Parts of --help that several commands share. */
import { EXIT_CODES } from "../runtime/exit-codes.ts";

type Name = keyof typeof EXIT_CODES;

/** What each code means unless a command says it more closely. */
const MEANINGS: Readonly<Record<Name, string>> = {
  Ok: "done",
  Failed: "failed",
  Usage: "a flag, the config file or the manifest is wrong",
  NodeLocked: "another agent runs on this node",
  NotPermitted: "rights are missing",
  Unavailable: "something this needs is not there",
  No: "the answer is no",
  Internal: "a bug",
};

/** Codes that one kind of command alone has. */
const RARE: ReadonlySet<Name> = new Set<Name>(["NodeLocked", "No"]);

/** One code a line, the meaning beside it: the codes that every command has, and those that `said` names. */
export function exitCodesText(said: Partial<Record<Name, string>>): string {
  const names = (Object.keys(EXIT_CODES) as Name[]).filter((name) => said[name] !== undefined || !RARE.has(name));
  const lines = names.map((name) => `  ${String(EXIT_CODES[name]).padStart(2)}  ${said[name] ?? MEANINGS[name]}`);
  return `Exit codes:\n${lines.join("\n")}`;
}
