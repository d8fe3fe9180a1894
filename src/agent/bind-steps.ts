// SPDX-License-Identifier: Apache-2.0

/**
 * Carries out the plan of drivers, one function after the other. Each is decided again on a view taken now, under the lock of its unit, and noted in the
 * same turn: from then on the gate is closed for the function. An unbind may wait in the kernel for ever: after 20 s the job goes on with others, and the
 * note stays until the kernel answers. Results are not believed: the loop observes.
 */
import { type BindEnd, bindText } from "../domain/binds/error.ts";
import { BIND_STUCK_MS } from "../domain/binds/work.ts";
import type { Ground } from "../domain/ground.ts";
import type { BindStep } from "../domain/plan/bind-step.ts";
import { planBind } from "../domain/plan/binds.ts";
import type { HostLook } from "../host/port.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { isAppError, messageOf } from "../runtime/errors.ts";
import type { KeyedLocks } from "../runtime/serial.ts";
import type { AuditKeeper } from "./audit-keeper.ts";
import type { AgentPorts } from "./ports.ts";
import type { AgentState } from "./state.ts";

export interface BindStepParts {
  readonly ports: AgentPorts;
  readonly state: AgentState;
  readonly audit: Pick<AuditKeeper, "did">;
  readonly locks: KeyedLocks;
  /** A whole view, now. */
  readonly look: (holders: HostLook["age"]) => Promise<Ground>;
  /** A change has begun or ended: the loop should look. */
  readonly onBind: () => void;
}

/** Steps of the newest plan, in order of address, until `signal` is aborted. */
export async function performBinds(parts: BindStepParts, signal: AbortSignal): Promise<undefined> {
  const { state, locks } = parts;
  const steps = state.pass?.plan.binds.flatMap(({ step }) => step ?? []) ?? [];
  for (const step of steps) {
    if (signal.aborted || state.stopping) return undefined;
    // No Allocate or PreStart is between its question and its answer. A function that no look has seen has no unit to lock, and no step.
    const isBegun = await locks.exclusive(state.memory.lastUnits.get(step.address) ?? "", () => begin(parts, step));
    if (!isBegun) continue;
    parts.onBind();
    await waitFor(parts, step, change(parts, step, signal));
  }
  return undefined;
}

/** @returns whether the step is still asked for; then it is noted that it has begun */
async function begin({ ports, state, look }: BindStepParts, step: BindStep): Promise<boolean> {
  const before = state.memory.lastUnits.get(step.address);
  const ground = await look("Fresh");
  const intent = ports.intent.current()?.intent ?? null;
  state.noteLook(intent, ground);
  const now = planBind({ intent, ground, memory: state.memory }, step.address)?.step ?? null;
  // A function that is below another unit by now is planned again, under that one's lock.
  const isMoved = state.memory.lastUnits.get(step.address) !== before;
  if (state.stopping || isMoved || now?.to !== step.to) return false;
  state.noteBindBegins(step.address, { to: step.to, sinceMs: ports.clock.nowMs(), pid: null });
  return true;
}

async function change({ ports, state, audit, onBind }: BindStepParts, { address, to }: BindStep, signal: AbortSignal): Promise<void> {
  const log = ports.log.child({ address, to: to === "Vfio" ? "vfio-pci" : "its own driver" });
  log.info({}, "change of driver requested");
  const sinceMs = ports.clock.nowMs();
  const end = await ports.binds
    .change({ address, to }, signal, (pid) => state.noteBindBegins(address, { to, sinceMs, pid }))
    .catch((thrown: unknown): BindEnd => ({ kind: "Unanswered", why: messageOf(thrown) }));
  // The agent ends while the kernel goes on: the next one observes what came of it.
  if (signal.aborted) return;
  state.noteBindEnds({ address, end, nowMs: ports.clock.nowMs() });
  if (end.kind === "Changed") {
    audit.did({ kind: "Driver", address, to });
    log.info({}, "driver changed");
  } else log.warn({ answer: bindText(end) }, "driver not changed");
  onBind();
}

/** For 20 s; the change ends by itself, and notes that. */
async function waitFor({ ports, state, onBind }: BindStepParts, { address }: BindStep, ended: Promise<void>): Promise<void> {
  try {
    await withDeadline(ended, { clock: ports.clock, ms: BIND_STUCK_MS, what: `the change of driver of ${address}` });
  } catch (thrown) {
    if (!isAppError(thrown) || thrown.code !== "DEADLINE") throw thrown;
    state.noteBindStuck(address);
    onBind();
  }
}
