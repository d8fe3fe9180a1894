// SPDX-License-Identifier: Apache-2.0

/**
 * Whether a device went the promised way: unit set up → offered → allocated → link secured → released → unit cleared. Judged by the order of the lines and by
 * nothing else. A course is one span of trust of its unit. What is not in the log is never held against the agent, and never for it: it is unproven. Pure.
 */
import type { AuditLine } from "./line.ts";

export type OrderVerdict = "held" | "violated" | "unproven";

/** One step of the way, and the line that shows it. */
export interface CourseStep {
  readonly step: "unit set up" | "offered" | "allocated" | "link secured" | "device free" | "link released" | "unit cleared" | "unit lost";
  readonly seq: number;
}

export interface Finding {
  readonly verdict: Exclude<OrderVerdict, "held">;
  /** With the numbers of the lines that show it. */
  readonly why: string;
}

/** A span of trust in which the device was offered, allocated or held. */
export interface Course {
  readonly boot: string;
  readonly epoch: string;
  readonly verdict: OrderVerdict;
  /** Empty when it held, as far as it went. */
  readonly findings: readonly Finding[];
  readonly steps: readonly CourseStep[];
}

/** The verdict of findings. */
export function verdictOf(findings: readonly Finding[]): OrderVerdict {
  if (findings.some(({ verdict }) => verdict === "violated")) return "violated";
  return findings.length > 0 ? "unproven" : "held";
}

/** `line 12`. */
export function at({ seq }: Pick<AuditLine, "seq">): string {
  return `line ${seq}`;
}
