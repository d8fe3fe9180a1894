// SPDX-License-Identifier: Apache-2.0
/** One requirement of a node, and the few ways to judge it. */

/** `NotNeeded`: not here, by configuration. `Unknown`: cannot be told, which is not enough to rely on. */
export type RequirementState = "Found" | "Missing" | "Unknown" | "NotNeeded";

export interface Requirement {
  /** One word for programs. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly state: RequirementState;
  /** What was read. */
  readonly found: string;
  /** What to do; empty unless something is missing or unknown. */
  readonly fix: string;
}

/** A requirement without its name. */
export type Judged = Pick<Requirement, "state" | "found" | "fix">;

export function found(what: string): Judged {
  return { state: "Found", found: what, fix: "" };
}

export function missing(what: string, fix: string): Judged {
  return { state: "Missing", found: what, fix };
}

export function unknown(what: string, fix: string): Judged {
  return { state: "Unknown", found: what, fix };
}

export function notNeeded(why: string): Judged {
  return { state: "NotNeeded", found: why, fix: "" };
}

/** `3 of 21: 0000:17:00.0, 0000:18:00.0 and 1 more`. */
export function named(names: readonly string[]): string {
  const rest = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return `${names.slice(0, 3).join(", ")}${rest}`;
}
