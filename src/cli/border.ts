// SPDX-License-Identifier: Apache-2.0
import { inspect } from "node:util";
import { faultOf, isAppError } from "../runtime/errors.ts";
import { type ExitCode, exitCodeOf } from "../runtime/exit-codes.ts";
import { cleanLines } from "../runtime/printable.ts";

/**
 * An error as a person at a terminal needs it: what is wrong, where, and what to do; the code to look up. The stack only with --log-level debug,
 * except for what was not foreseen: there it is the only lead.
 */
export function errorText(thrown: unknown, withStack: boolean): string {
  if (!isAppError(thrown)) return cleanLines(`trusted-iommu: unexpected error, please report it\n${inspect(thrown)}\n`);
  const [first = "", ...rest] = thrown.message.split("\n");
  const more = rest.map((line) => `  ${line}\n`).join("");
  const stack = withStack ? `${inspect(thrown)}\n` : "";
  return cleanLines(`trusted-iommu: ${first}\n${more}  (${thrown.code}${causeText(thrown.cause, thrown.message)})\n${stack}`);
}

/** What lies below, unless the message has it already. */
function causeText(cause: unknown, message: string): string {
  const text = cause === undefined ? "" : (faultOf(cause).split("\n")[0] ?? "");
  return text === "" || message.includes(text) ? "" : `: ${text}`;
}

/** Runs a command's work; an error is printed and becomes an exit code. */
export async function atBorder(work: () => Promise<number>, errors: { write(text: string): unknown }, withStack: () => boolean): Promise<number> {
  try {
    return await work();
  } catch (thrown) {
    errors.write(errorText(thrown, withStack()));
    return exitCodeOf(thrown) satisfies ExitCode;
  }
}
