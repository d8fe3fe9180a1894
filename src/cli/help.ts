// SPDX-License-Identifier: Apache-2.0
/** What --help of every command shares: how texts are wrapped, and exit codes. */
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { columns, wrapped } from "./view/text.ts";

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

/** An indented line that has a second column, two blanks or more after the first: a command, and what it does. */
const TWO_COLUMNS = /^( +\S.*?\S {2,})(\S.*)$/;

/**
 * A text of --help for a terminal: paragraphs flow, whatever their line ends in the source; indented lines stay lines, and only what stands in their
 * second column is wrapped, in that column.
 */
export function wrapHelp(text: string, width: number): string {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) lines.push(...wrapped(paragraph.join(" "), width));
    paragraph = [];
  };
  for (const line of text.split("\n")) {
    if (line !== "" && !line.startsWith(" ")) paragraph.push(line);
    else {
      flush();
      lines.push(...wrapIndented(line, width));
    }
  }
  flush();
  return lines.join("\n");
}

function wrapIndented(line: string, width: number): readonly string[] {
  const [, first = "", second = ""] = TWO_COLUMNS.exec(line) ?? [];
  if (columns(line) <= width || first === "") return [line];
  const parts = wrapped(second, Math.max(1, width - columns(first)));
  return parts.map((part, index) => `${index === 0 ? first : " ".repeat(columns(first))}${part}`);
}
