// SPDX-License-Identifier: Apache-2.0

/** Goes through the lines of one device in one boot, and holds each against those before it. Its memory is what the lines have said so far. */
import type { Address } from "../device.ts";
import { at, type Course, type CourseStep } from "./course.ts";
import type { AuditLine } from "./line.ts";
import { createSpan, type Span } from "./span.ts";

export interface Walk {
  take(line: AuditLine): void;
  /** The courses so far, in order. */
  courses(): readonly Course[];
}

/** What the lines have said of the slot's link. */
interface LinkSaid {
  readonly isOn: boolean;
  /** Where it went on. */
  readonly line: AuditLine | null;
  /** A write of the agent is under way, or the next one follows. */
  readonly underWay: "Securing" | "Repair" | "Releasing" | null;
}

interface Restart {
  readonly line: AuditLine;
  readonly link: LinkSaid;
  readonly wasHeld: AuditLine | undefined;
  /** The span that went on then. */
  readonly span: Span | null;
}

const LINK_OFF: LinkSaid = { isOn: false, line: null, underWay: null };

export function createWalk(device: Address): Walk {
  const spans: Span[] = [];
  let span: Span | null = null;
  let link: LinkSaid = LINK_OFF;
  /** Functions of the slot that somebody has, with the line that says so. */
  const held = new Map<Address, AuditLine>();
  /** A process of the agent says what it found: the link, and who had what before. */
  let restart: Restart | null = null;
  /** A device that was never below a trusted unit, by the lines. */
  const unplaced = createSpan(null);

  const now = (): Span => span ?? unplaced;
  const step = (name: CourseStep["step"], line: AuditLine): void => now().step(name, line);
  const isTrusted = (): boolean => span?.isTrusted === true;

  /** What the first look of a process has not found any more by the time something else happens. */
  const settleRestart = (): void => {
    if (restart === null) return;
    const { line, link: before, wasHeld, span: was } = restart;
    restart = null;
    if (wasHeld === undefined || was === null) return;
    const by = `${device} was held (${at(wasHeld)})`;
    if (!was.isTrusted) was.unproven(`the unit was not found trusted any more at ${at(line)}, and nobody saw when that ended: ${by}`);
    else if (held.has(device) && before.isOn && !link.isOn && before.underWay === null)
      was.unproven(`the link was not found secured any more at ${at(line)}, and nobody saw why: ${by}`);
  };

  const trusted = (line: AuditLine): void => {
    if (span?.epoch === line.epoch) {
      span.regained();
      return;
    }
    span = createSpan(line);
    spans.push(span);
    if (link.isOn && link.line !== null && line.event === "UnitSetUp") span.linkBefore = link.line;
    step("unit set up", line);
  };

  const unitEnds = (line: AuditLine): void => {
    const isLost = line.event === "UnitLost";
    const by = held.get(device);
    const why = by && `the unit was ${isLost ? "lost" : "cleared"} at ${at(line)} while ${device} was held (${at(by)})`;
    if (why && isLost) now().lostUnder(why);
    else if (why) now().violated(why);
    if (!isLost && link.isOn && link.line) now().violated(`the unit was cleared at ${at(line)} while the link was secured (${at(link.line)})`);
    step(isLost ? "unit lost" : "unit cleared", line);
    now().ended(line);
  };

  const linkOn = (line: AuditLine): void => {
    const { isOn, underWay } = link;
    link = { isOn: true, line: isOn ? link.line : line, underWay: null };
    const isKnown = isOn || restart?.link.isOn === true;
    if (line.event !== "LinkBroken" && !restart?.link.isOn) step("link secured", line);
    if (isKnown || !isTrusted()) return;
    now().secured(line);
    // What was so before a process began to look, and what it has done itself when it was asked for, is no news.
    if (underWay !== null || restart?.link.underWay || held.size > 0 || line.event === "LinkBroken") return;
    now().missing(`the link was secured at ${at(line)} while no function of its slot was allocated`);
  };

  const linkOff = (line: AuditLine): void => {
    const by = held.get(device);
    const isOurs = line.by === "agent" || link.underWay !== null;
    if (by && !isOurs) now().violated(`the link was released by somebody else at ${at(line)} while ${device} was held (${at(by)})`);
    // What is taken away to be put back is no release.
    if (link.underWay !== "Repair") step("link released", line);
    if (span?.linkBefore) span.linkBefore = null;
    link = { ...LINK_OFF, underWay: link.underWay === "Repair" ? "Repair" : null };
  };

  const offered = (line: AuditLine): void => {
    if (!now().isOf(line)) return;
    step("offered", line);
    now().offered = line;
    now().begins(line, "offered");
  };

  const allocated = (line: AuditLine): void => {
    held.set(line.address, line);
    if (line.address !== device || !now().isOf(line)) return;
    step("allocated", line);
    if (now().offered === null) now().missing(`it was allocated at ${at(line)} without having been offered`);
    now().allocated = line;
    now().begins(line, "allocated");
  };

  const foundHeld = (line: AuditLine): void => {
    held.set(line.address, line);
    if (line.address === device && now().allocated === null)
      now().unproven(`it was found held at ${at(line)}, and no line says that it was allocated`);
  };

  const agentStarted = (line: AuditLine): void => {
    restart = { line, link, wasHeld: held.get(device), span: isTrusted() ? span : null };
    held.clear();
    link = LINK_OFF;
    span?.left();
    unplaced.left();
  };

  const gap = (line: AuditLine): void => {
    now().gap(line);
    held.clear();
    link = LINK_OFF;
  };

  /** Of these the first look of a process says what it found. */
  const FOUND = new Set(["UnitFoundTrusted", "UnitSetUp", "LinkChecked", "DeviceFoundHeld", "LinkFoundSecured", "LinkBroken"]);
  const takeLine: Partial<Record<AuditLine["event"], (line: AuditLine) => void>> = {
    AgentStarted: agentStarted,
    UnitSetUp: trusted,
    UnitFoundTrusted: trusted,
    UnitLost: unitEnds,
    UnitCleared: unitEnds,
    LinkChecked: (line) => now().checked(line),
    LinkSecuring: (line) => {
      if (held.size === 0) now().missing(`the agent began to secure the link at ${at(line)} while no function of its slot was allocated`);
      link = { ...link, underWay: "Securing" };
    },
    LinkSecured: linkOn,
    LinkFoundSecured: linkOn,
    LinkBroken: linkOn,
    LinkRepair: () => {
      link = { ...link, underWay: "Repair" };
    },
    LinkReleasing: (line) => {
      const by = held.get(device);
      if (by) now().violated(`the agent began to release the link at ${at(line)} while ${device} was held (${at(by)})`);
      link = { ...link, underWay: "Releasing" };
    },
    LinkReleased: linkOff,
    LinkGone: () => {
      link = LINK_OFF;
    },
    DeviceOffered: (line) => (line.address === device ? offered(line) : undefined),
    DeviceAllocated: allocated,
    DeviceFoundHeld: foundHeld,
    DeviceFree: (line) => {
      held.delete(line.address);
      if (line.address === device) step("device free", line);
    },
    Gap: gap,
  };

  return {
    take(line) {
      if (restart !== null && !FOUND.has(line.event)) settleRestart();
      takeLine[line.event]?.(line);
    },
    courses() {
      settleRestart();
      return [unplaced, ...spans].flatMap((one) => one.course() ?? []);
    },
  };
}
