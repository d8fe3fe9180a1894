// SPDX-License-Identifier: Apache-2.0

/** One span of trust of a unit, as the lines tell it of one device: what was seen, what is missing, and what speaks against it. */
import { at, type Course, type CourseStep, type Finding, verdictOf } from "./course.ts";
import type { AuditLine } from "./line.ts";

export interface Span {
  readonly epoch: string;
  readonly isTrusted: boolean;
  offered: AuditLine | null;
  allocated: AuditLine | null;
  /** The link was on when SETUP was seen, and has not been off since. */
  linkBefore: AuditLine | null;
  step(step: CourseStep["step"], line: AuditLine): void;
  violated(why: string): void;
  unproven(why: string): void;
  /** What must have come before and is in no line: a violation where every line of the span is there. */
  missing(why: string): void;
  /** False, and said why: an event that belongs to another span, or to one that is over. */
  isOf(line: AuditLine): boolean;
  /** The device is offered or given away: from here on its order counts. */
  begins(line: AuditLine, how: "offered" | "allocated"): void;
  /** Read insecure in this span. */
  checked(line: AuditLine): void;
  /** The link went on. */
  secured(line: AuditLine): void;
  ended(line: AuditLine): void;
  /** A violation, unless the trust turns out to have lasted. */
  lostUnder(why: string): void;
  /** Trusted again in the same span, which proves that its trust has never ended: the numbers of SETUPs are not reused. */
  regained(): void;
  /** The process that wrote the lines has ended: what comes next says whether the span goes on. */
  left(): void;
  gap(line: AuditLine): void;
  /** Null: the device had no part in it. */
  course(): Course | null;
}

/** @param first the line that says that the unit is trusted; null: there is none */
export function createSpan(first: AuditLine | null): Span {
  const findings: Finding[] = [];
  const steps: CourseStep[] = [];
  const own = { isTrusted: first !== null, endedAt: null as AuditLine | null, isWhole: first?.event === "UnitSetUp", isBegun: false };
  let isChecked = false;
  let lost = "";
  let securedAt: AuditLine | null = null;
  let boot = first?.boot ?? "";

  const add = (verdict: Finding["verdict"], why: string): void => {
    if (!findings.some((finding) => finding.why === why)) findings.push({ verdict, why });
  };
  const unseen = (line: AuditLine, what: string): boolean => {
    boot = line.boot;
    own.isBegun = true;
    add("unproven", what);
    return false;
  };

  return {
    epoch: first?.epoch ?? "",
    get isTrusted() {
      return own.isTrusted;
    },
    offered: null,
    allocated: null,
    linkBefore: null,
    step: (step, { seq }) => void (steps.at(-1)?.seq === seq || steps.push({ step, seq })),
    violated: (why) => add("violated", why),
    unproven: (why) => add("unproven", why),
    missing: (why) => add(own.isWhole ? "violated" : "unproven", why),
    isOf(line) {
      const { endedAt } = own;
      if (first === null) return unseen(line, `no line before ${at(line)} says that its unit was set up`);
      if (endedAt !== null) {
        own.isBegun = true;
        add("violated", `${line.event} at ${at(line)}, after the trust of its unit had ended at ${at(endedAt)}`);
        return false;
      }
      if (line.epoch !== first.epoch) return unseen(line, `${at(line)} is of another span of trust than ${at(first)}`);
      if (!own.isTrusted) return unseen(line, `no line since the agent started anew says that its unit is trusted (${at(line)})`);
      return true;
    },
    begins(line, how) {
      own.isBegun = true;
      if (this.linkBefore && !isChecked)
        add("violated", `it was ${how} at ${at(line)}, and its link was secured at ${at(this.linkBefore)}, before SETUP`);
    },
    checked(line) {
      if (line.epoch === first?.epoch) isChecked = true;
    },
    secured(line) {
      securedAt = line;
    },
    ended(line) {
      own.isTrusted = false;
      own.endedAt = line;
    },
    lostUnder(why) {
      lost = why;
    },
    regained() {
      lost = "";
      own.isTrusted = true;
      own.endedAt = null;
    },
    left() {
      own.isTrusted = false;
      own.isWhole = false;
    },
    gap(line) {
      own.isWhole = false;
      if (own.endedAt === null && first !== null) add("unproven", `lines are missing after ${at(line)}: ${line.detail}`);
    },
    course() {
      if (!own.isBegun) return null;
      const unchecked =
        securedAt !== null && !isChecked && this.linkBefore === null
          ? [{ verdict: "unproven" as const, why: `the link was secured at ${at(securedAt)}, and no line says that it was insecure after SETUP` }]
          : [];
      const ended = lost === "" ? [] : [{ verdict: "violated" as const, why: lost }];
      const all = [...ended, ...findings, ...unchecked];
      return { boot, epoch: first?.epoch ?? "", verdict: verdictOf(all), findings: all, steps };
    },
  };
}
