// SPDX-License-Identifier: Apache-2.0

/**
 * Carries out the plan of links: one write at a time, because the kernel has one lock for all of them. Each is decided again on a view taken now, under
 * the locks of every unit above the slot, and noted in the same turn; from then on no CLEAR is planned below those units and no start is let through
 * for the slot (the note is what excludes them, so that nothing waits for SPDM under a lock). Results are not believed: the loop observes.
 */
import type { Ground } from "../domain/ground.ts";
import type { LinkWriteEnd } from "../domain/links/error.ts";
import type { LinkStep } from "../domain/plan/link-step.ts";
import { linkStepsOf, planLink } from "../domain/plan/links.ts";
import type { RegBase } from "../domain/unit.ts";
import type { HostLook } from "../host/port.ts";
import { messageOf } from "../runtime/errors.ts";
import type { KeyedLocks } from "../runtime/serial.ts";
import type { AuditKeeper } from "./audit-keeper.ts";
import type { AgentPorts } from "./ports.ts";
import type { AgentState } from "./state.ts";

export interface LinkStepParts {
  readonly ports: AgentPorts;
  readonly state: AgentState;
  readonly audit: Pick<AuditKeeper, "did">;
  readonly locks: KeyedLocks;
  /** A whole view, now. */
  readonly look: (holders: HostLook["age"]) => Promise<Ground>;
  /** A write has begun or ended: the loop should look, and who waits for a link should ask again. */
  readonly onLink: () => void;
}

/** Steps of the newest plan, in order, until `signal` is aborted. */
export async function performLinks(parts: LinkStepParts, signal: AbortSignal): Promise<undefined> {
  const { state, ports } = parts;
  const steps = state.pass === null ? [] : linkStepsOf(state.pass.plan.links, state.memory, ports.clock.nowMs());
  for (const step of steps) {
    if (signal.aborted || state.stopping) return undefined;
    const isBegun = await underLocks(parts, step, () => begin(parts, step));
    if (!isBegun) continue;
    parts.onLink();
    await write(parts, step, signal);
    parts.onLink();
  }
  return undefined;
}

/** A release excludes every answer to kubelet between its look and its note; securing a link goes along with them. */
function underLocks(parts: LinkStepParts, step: LinkStep, work: () => Promise<boolean>): Promise<boolean> {
  const { locks } = parts;
  const take = step.kind === "Connect" ? locks.shared : locks.exclusive;
  // In ascending order, as everyone who takes more than one.
  return unitsAbove(parts, step).reduceRight<() => Promise<boolean>>((inner, regBase) => () => take(regBase, inner), work)();
}

function unitsAbove({ state: { pass, memory } }: LinkStepParts, { owner }: LinkStep): readonly RegBase[] {
  const onSlot = pass?.ground.onSlot.get(owner) ?? [];
  return [...new Set(onSlot.flatMap(({ address }) => memory.lastUnits.get(address) ?? []))].sort();
}

/** @returns whether the step is still asked for; then it is noted that it has begun */
async function begin(parts: LinkStepParts, step: LinkStep): Promise<boolean> {
  const { ports, state, audit } = parts;
  const before = unitsAbove(parts, step);
  const ground = await parts.look(step.kind === "Connect" ? "Recent" : "Fresh");
  const intent = ports.intent.current()?.intent ?? null;
  state.noteLook(intent, ground);
  const now = planLink({ intent, ground, memory: state.memory }, step.owner)?.step ?? null;
  const isSame = now !== null && JSON.stringify(now) === JSON.stringify(step);
  // A function that is below another unit by now is planned again, under that one's lock.
  if (state.stopping || !isSame || unitsAbove(parts, step).join() !== before.join()) return false;
  state.noteLinkBegins({ owner: step.owner, kind: step.kind, sinceMs: ports.clock.nowMs() });
  audit.did({ kind: "Link", step });
  return true;
}

async function write({ ports, state }: LinkStepParts, step: LinkStep, signal: AbortSignal): Promise<void> {
  const { kind, owner, tsm } = step;
  const isRepair = step.kind === "Disconnect" && step.isRepair;
  const log = ports.log.child({ address: owner, tsm, write: kind === "Connect" ? "connect" : "disconnect" });
  log.info({ isRepair }, "link write requested");
  const isWanted = kind === "Connect" || isRepair;
  const end = await ports.host
    .withoutTsm(owner, () => ports.links.write({ kind, owner, tsm, isWanted }, signal))
    .catch((thrown: unknown): LinkWriteEnd => ({ kind: "Unanswered", why: messageOf(thrown) }));
  // The agent ends while the kernel goes on: the next one observes what came of it.
  if (signal.aborted) return;
  state.noteLinkEnds({ end, isRepair, nowMs: ports.clock.nowMs() });
  if (end.kind === "Written") log.info({}, "link write answered");
  else log.warn({ answer: end.kind === "Refused" ? `${end.at} ${end.errno}` : end.why }, "link write failed");
}
