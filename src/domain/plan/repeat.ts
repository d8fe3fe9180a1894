// SPDX-License-Identifier: Apache-2.0

/** When a SEAMCALL is issued at once, after a while, or not again: by the status that the last one ended with. */
import type { Attempts } from "../memory.ts";
import type { UnitReason } from "../reason.ts";
import { decodeStatus, hexStatus } from "../seamcall-status.ts";
import type { Leaf } from "../unit.ts";
import { because, type Finding, type Step, type UnitFacts } from "./finding.ts";

interface Repetition {
  readonly step: Step;
  readonly fresh: UnitReason;
  readonly again: UnitReason;
  readonly failed: UnitReason;
}

/** Issues the step at once when it is new, after a backoff when the last status allows a repeat, and never when it does not. */
export function repeatable(facts: UnitFacts, leaf: Leaf, reasons: Repetition): Finding {
  const { entry } = facts.fact;
  const { lastCall } = entry;
  const attempts = attemptsAt(facts, leaf);
  const action = lastCall?.leaf === leaf ? decodeStatus(leaf, lastCall.status).action : null;
  // A unit that was refused and is Untrusted again has another TDX module now.
  const goesOn = action === "success" || action === null || (action === "unsupported" && entry.state === "Untrusted");
  if (goesOn && !attempts) return { ...because(reasons.fresh), step: reasons.step };
  if (!goesOn && (action === "failed" || action === "unsupported")) return because(reasons.failed, lastStatus(facts));
  const slow = action === "precondition" || action === "environment";
  const repeatMs = attempts ? attempts.lastMs + repeatDelayMs(Math.max(attempts.count, 1), slow) : facts.ground.view.nowMs;
  // A look that ages before each CLEAR is no attempt, and no reason to look without a rest.
  const dueMs = Math.max(repeatMs, (attempts?.lateMs ?? Number.NEGATIVE_INFINITY) + repeatDelayMs(1, false));
  const due = facts.ground.view.nowMs >= dueMs;
  return { reason: reasons.again, message: attempts?.problem || lastStatus(facts), step: due ? reasons.step : null, wakeAtMs: due ? null : dueMs };
}

function attemptsAt({ memory, ground: { view }, regBase }: UnitFacts, leaf: Leaf): Attempts | undefined {
  const attempts = memory.attempts.get(regBase);
  const instance = view.driver.kind === "Read" ? view.driver.value.table.instance : "";
  return attempts?.leaf === leaf && attempts.instance === instance ? attempts : undefined;
}

/** Doubles from 0.25 s to 30 s. A precondition (and an environment) is looked at every 10 s: the host must change first, and a change wakes the agent anyway. */
export function repeatDelayMs(count: number, slow: boolean): number {
  return slow ? 10_000 : Math.min(250 * 2 ** Math.min(count - 1, 10), 30_000);
}

export function lastStatus({ fact }: UnitFacts): string {
  const { lastCall } = fact.entry;
  if (!lastCall) return "";
  if (lastCall.attempts === 0) return `${lastCall.leaf} was not issued: the unit's registers forbid it, the kernel log says which`;
  const { name, operand } = decodeStatus(lastCall.leaf, lastCall.status);
  return `${lastCall.leaf} answered ${name}${operand === "" ? "" : ` (${operand})`}, ${hexStatus(lastCall.status)}`;
}
