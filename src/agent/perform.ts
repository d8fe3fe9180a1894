// SPDX-License-Identifier: Apache-2.0

import { type Ground, groundFrom } from "../domain/ground.ts";
/**
 * perform: carries out the plan's steps, one SEAMCALL at a time. A plan is old by the time its turn comes, so each step is planned again on a view
 * taken now, and is only issued when the same pure function still asks for it. Results are never believed: the loop observes again.
 */
import type { HostView } from "../domain/host.ts";
import type { CallEnd } from "../domain/notes.ts";
import { type Step, stepsOf } from "../domain/plan/finding.ts";
import { planUnit } from "../domain/plan/plan.ts";
import { decodeStatus } from "../domain/seamcall-status.ts";
import type { Reading } from "../domain/view.ts";
import { isAppError, messageOf } from "../runtime/errors.ts";
import type { KeyedLocks } from "../runtime/serial.ts";
import type { CallResult } from "../seamcall/port.ts";
import type { AuditKeeper } from "./audit-keeper.ts";
import type { DriverClient } from "./driver-client.ts";
import type { AgentMetrics } from "./metrics.ts";
import type { Newest } from "./newest.ts";
import type { AgentPorts } from "./ports.ts";
import type { AgentState } from "./state.ts";

export interface PerformParts {
  readonly ports: AgentPorts;
  readonly metrics: Pick<AgentMetrics, "seamcall">;
  readonly driver: DriverClient;
  readonly newest: Newest;
  readonly state: AgentState;
  readonly audit: Pick<AuditKeeper, "did">;
  readonly locks: KeyedLocks;
  /** A whole view, as the loop takes it, now. */
  readonly observeNow: () => Promise<Ground>;
  /** Something was done: the loop should look. */
  readonly onStep: () => void;
}

/** Steps of the newest plan, in order, until one is no longer asked for or `signal` is aborted. */
export async function performSteps(parts: PerformParts, signal: AbortSignal): Promise<void> {
  const steps = parts.state.pass === null ? [] : stepsOf(parts.state.pass.plan);
  // What is read after one SETUP is what is read before the next: on a large host the tree is most of the cost.
  let host: Reading<HostView> | null = null;
  for (const step of steps) {
    if (signal.aborted || parts.state.stopping) return;
    host = step.kind === "Setup" ? await setup(parts, step, host) : await parts.locks.exclusive(step.regBase, () => clear(parts, step));
    parts.onStep();
  }
}

/** @returns the host as it was read when this SETUP had ended; null when none was issued */
async function setup(parts: PerformParts, step: Step, host: Reading<HostView> | null): Promise<Reading<HostView> | null> {
  // A pass that looked while this unit's SETUP was under way still asks for it: seen without reading the tree.
  const known = await refreshed(parts, null);
  if (known === null || !stillAsked(parts, known, step)) return null;
  const ground = await refreshed(parts, host ?? (await parts.newest.readHost()));
  if (ground === null || !stillAsked(parts, ground, step)) return null;
  parts.state.noteSetup(step.regBase);
  await issue(parts, { step, ground }, () => parts.driver.setup(step.regBase));
  // Read again after: a link that is secure now may have been so before SETUP took hold, and stays unchecked in this epoch.
  const after = await parts.newest.readHost();
  parts.state.noteReadAgain(step.regBase);
  return after;
}

/**
 * How old the look at a unit's devices may be when its CLEAR begins. A look takes well under a second; 5 s leave room for a kubelet that takes all of
 * the 3 s that it is given. Views that are slower are too slow to clear by, and the unit's message says so.
 */
const LOOK_IS_GOOD_MS = 5_000;

/** Under the unit's exclusive lock: no Allocate or PreStart is between its question and its answer. */
async function clear(parts: PerformParts, step: Step): Promise<null> {
  // Before the look: this process may be stopped at any point from here on, and the call may wait behind another unit's.
  const notAfter = parts.driver.deadline(LOOK_IS_GOOD_MS);
  const ground = await parts.observeNow();
  parts.state.noteLook(currentIntent(parts), ground);
  if (notAfter !== null && stillAsked(parts, ground, step) && step.kind === "Clear")
    await issue(parts, { step, ground }, () => parts.driver.clear(step, notAfter));
  return null;
}

/**
 * The newest view with the driver read again, and with `host` if there is one: a function may have come, or the host become unreadable, since.
 * Null when there is no view yet.
 */
async function refreshed({ state, newest, ports }: PerformParts, host: Reading<HostView> | null): Promise<Ground | null> {
  const reading = await newest.readDriver();
  const known = state.pass?.ground.view;
  return known ? groundFrom({ ...known, nowMs: ports.clock.nowMs(), wallMs: ports.clock.wallMs(), driver: reading, host: host ?? known.host }) : null;
}

function currentIntent({ ports }: PerformParts) {
  return ports.intent.current()?.intent ?? null;
}

function stillAsked(parts: PerformParts, ground: Ground, step: Step): boolean {
  if (parts.state.stopping) return false;
  const { step: now } = planUnit({ intent: currentIntent(parts), ground, memory: parts.state.memory }, step.regBase);
  if (now?.kind !== step.kind) return false;
  return step.kind === "Setup" || (now.kind === "Clear" && now.tdxIommuId === step.tdxIommuId && now.setupSeq === step.setupSeq);
}

const LEAF = { Setup: "TDH.IOMMU.SETUP", Clear: "TDH.IOMMU.CLEAR" } as const;

interface Issued {
  readonly step: Step;
  /** The view on which it was planned. */
  readonly ground: Ground;
}

/** Issues the call; a failure becomes an attempt to repeat, with its reason, and is logged here once. */
async function issue({ ports, metrics, state, audit }: PerformParts, { step, ground }: Issued, call: () => Promise<CallResult>): Promise<void> {
  const { driver } = ground.view;
  const instance = driver.kind === "Read" ? driver.value.table.instance : "";
  const endOf = (repeat: boolean, problem: string): CallEnd => {
    return { regBase: step.regBase, leaf: LEAF[step.kind], instance, repeat, nowMs: ports.clock.nowMs(), problem };
  };
  const note = (repeat: boolean, problem: string): void => {
    state.noteCall(endOf(repeat, problem));
  };
  audit.did({ kind: step.kind, regBase: step.regBase });
  const log = ports.log.child({ regBase: step.regBase, leaf: LEAF[step.kind] });
  log.info({}, "seamcall requested");
  try {
    const { outcome, unit } = await call();
    const status = unit.lastCall ? decodeStatus(unit.lastCall.leaf, unit.lastCall.status).name : "none";
    if (unit.lastCall && outcome !== "Already") metrics.seamcall(unit.lastCall.leaf, status);
    log.info({ outcome, status, state: unit.state }, "seamcall answered");
    note(outcome === "Retry" || outcome === "Failed", "");
  } catch (thrown) {
    log.warn({ err: thrown }, "seamcall not made");
    if (isAppError(thrown) && thrown.code === "TOO_LATE") {
      state.noteLate(endOf(true, `its turn came more than ${LOOK_IS_GOOD_MS / 1000} s after the look at its devices`));
      return;
    }
    note(true, `${isAppError(thrown) ? `${thrown.code}: ` : ""}${messageOf(thrown)}`);
  }
}
