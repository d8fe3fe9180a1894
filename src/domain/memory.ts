// SPDX-License-Identifier: Apache-2.0

/**
 * What must be known over time, and only that. A process that lost it (crash) starts with an empty one and is safe: settling begins anew, and a
 * device found held without proof of when is withheld until it is free.
 */
import { type Address, isPciAddress, type PciFunction } from "./device.ts";
import { functionsBelow, type Ground, type UnitFact } from "./ground.ts";
import type { Intent } from "./intent.ts";
import { selectsUnit } from "./intent.ts";
import type { NodeStatus } from "./status.ts";
import type { RegBase } from "./unit.ts";
import { type Use, usesOf } from "./use.ts";
import type { Answer } from "./view.ts";

/** A device somebody holds. `epoch` is the span of trust in which it was handed out; null when that cannot be proven. */
export interface Hold {
  readonly epoch: string | null;
  /** The extended resource under which it was handed out; null when no view says. */
  readonly resource: string | null;
  /** Since when every view shows it free (monotonic ms); null while one shows it held. */
  readonly freeSinceMs: number | null;
}

/** SEAMCALLs for a unit that ended in something to repeat. */
export interface Attempts {
  readonly count: number;
  readonly lastMs: number;
  /** Why the binding could not even make the call; empty when the TDX module answered (its answer is in the unit's lastCall). */
  readonly problem: string;
}

export interface Memory {
  readonly startedMs: number;
  readonly settleMs: number;
  /** Devices that the status of an earlier process showed in a pod's hands and offered all the same, with their epoch: it knew when they were given. */
  readonly priorHolds: ReadonlyMap<Address, string>;
  readonly holds: ReadonlyMap<Address, Hold>;
  /** Devices whose link read secure right after SETUP: the order cannot be proven. Until it reads insecure. */
  readonly suspects: ReadonlySet<Address>;
  /** Units whose links have not been read again since SETUP was issued: nothing below counts as trusted until they have. */
  readonly verifying: ReadonlySet<RegBase>;
  readonly lastUnits: ReadonlyMap<Address, RegBase>;
  readonly knownUnits: ReadonlySet<RegBase>;
  /** Extended resources that are or were ours. */
  readonly resources: ReadonlySet<string>;
  /** Units to clear: since when everything below is withdrawn and free in every view. */
  readonly freeSince: ReadonlyMap<RegBase, number>;
  readonly attempts: ReadonlyMap<RegBase, Attempts>;
}

export function emptyMemory(startedMs: number, settleMs: number, last: NodeStatus | null): Memory {
  const seen = { holds: new Map(), lastUnits: new Map(), knownUnits: new Set<RegBase>() };
  const none = { ...seen, suspects: new Set<Address>(), verifying: new Set<RegBase>() };
  const resources = new Set((last?.devices ?? []).map((device) => device.resource).filter((name) => name !== ""));
  return { startedMs, settleMs, priorHolds: priorHoldsFrom(last), resources, ...none, freeSince: new Map(), attempts: new Map() };
}

function priorHoldsFrom(last: NodeStatus | null): ReadonlyMap<Address, string> {
  const holds = new Map<Address, string>();
  for (const device of last?.devices ?? []) {
    const unit = last?.units.find((one) => one.regBase === device.regBase);
    const wasOffered = device.reason === "Offered" || device.reason === "AgentStopped";
    if (device.usedBy && wasOffered && unit?.state === "Trusted" && unit.setupSeq !== "")
      holds.set(device.address, `${last?.tdxModule.instance}/${unit.setupSeq}`);
  }
  return holds;
}

/** Memory after one more observation. Pure. */
export function remember(memory: Memory, intent: Intent | null, ground: Ground): Memory {
  const { view } = ground;
  const lastUnits = new Map(memory.lastUnits);
  for (const fn of ground.functions.values()) if (fn.unit.kind === "Unit") lastUnits.set(fn.address, fn.unit.regBase);
  const knownUnits = new Set([...memory.knownUnits, ...ground.units.keys()]);
  if (view.host.kind === "Read") for (const unit of view.host.value.units) knownUnits.add(unit.regBase);
  const resources = new Set([...memory.resources, ...(intent?.resources ?? []).map((r) => r.name), ...view.publications.map((p) => p.resource)]);
  // After a rename and a restart nothing else tells under which name a pod was given one of ours.
  for (const [, resource] of heldInPods(ground)) resources.add(resource);
  const suspects = new Set([...memory.suspects].filter((address) => ground.functions.get(address)?.link.state !== "Insecure"));
  const next = { ...memory, lastUnits, knownUnits, resources, suspects, holds: holdsAfter(memory, ground) };
  return { ...next, freeSince: freeSinceAfter(next, intent, ground) };
}

/** Devices that a view shows held right now, with the resource when the view says. */
function heldNow(ground: Ground): ReadonlyMap<Address, string | null> {
  const held = new Map<Address, string | null>();
  for (const fn of ground.functions.values()) if (isHeldOnHost(fn)) held.set(fn.address, null);
  for (const [address, resource] of heldInPods(ground)) held.set(address, resource);
  return held;
}

function heldInPods({ view: { podResources } }: Ground): readonly (readonly [Address, string])[] {
  if (podResources.kind !== "Read") return [];
  return podResources.pods.flatMap((pod) => pod.ids.filter(isPciAddress).map((id) => [id, pod.resource] as const));
}

function isHeldOnHost(fn: PciFunction): boolean {
  return fn.link.bound === "Yes" || (fn.holders.kind === "Known" && fn.holders.pids.length > 0);
}

/** A holder that cannot be read may be there. A function that is not on the bus has nothing to hide. */
function isHiddenOnHost(fn: PciFunction | undefined): boolean {
  return fn !== undefined && (fn.holders.kind === "Unreadable" || fn.link.bound === "Unknown");
}

/** True when every view that could show a hold was read and has been up long enough to be believed. */
function canShowFree(memory: Memory, ground: Ground): boolean {
  const { host, podResources, nowMs } = ground.view;
  if (host.kind !== "Read" || podResources.kind === "Unreadable") return false;
  return podResources.kind === "None" || nowMs - podResources.kubeletSinceMs >= memory.settleMs;
}

function holdsAfter(memory: Memory, ground: Ground): ReadonlyMap<Address, Hold> {
  const { view } = ground;
  const holds = new Map(memory.holds);
  const held = heldNow(ground);
  for (const [address, resource] of held) {
    const known = holds.get(address);
    const prior = memory.priorHolds.get(address) ?? null;
    holds.set(address, { epoch: known ? known.epoch : prior, resource: resource ?? known?.resource ?? null, freeSinceMs: null });
  }
  const believed = canShowFree(memory, ground);
  for (const [address, hold] of holds) {
    if (held.has(address)) continue;
    const isShown = believed && !isHiddenOnHost(ground.functions.get(address));
    const freeSinceMs = isShown ? (hold.freeSinceMs ?? view.nowMs) : null;
    if (freeSinceMs !== null && view.nowMs - freeSinceMs >= memory.settleMs) holds.delete(address);
    else holds.set(address, { ...hold, freeSinceMs });
  }
  return holds;
}

function freeSinceAfter(memory: Memory, intent: Intent | null, ground: Ground): ReadonlyMap<RegBase, number> {
  const since = new Map<RegBase, number>();
  for (const [regBase, fact] of ground.units) {
    if (intent === null || !selectsUnit(intent, regBase) || fact.entry.tdxIommuId === null) continue;
    if (intent.state === "Trusted" && !isStranded(fact)) continue;
    const { uses, listed } = clearanceOf(memory, ground, regBase);
    if (uses.length === 0 && listed.length === 0) since.set(regBase, memory.freeSince.get(regBase) ?? ground.view.nowMs);
  }
  return since;
}

/**
 * The unit has an id and no trust: a CLEAR failed, or the TDX module was out of reach for a while. No SETUP can take such an id back, so it is
 * cleared to the end before the unit is set up again, whatever the intent: an id is never left lying (I6).
 */
export function isStranded({ entry }: UnitFact): boolean {
  return entry.tdxIommuId !== null && (entry.state === "Failed" || entry.state === "Unknown");
}

/** What stands between a unit and CLEAR: uses of devices below, and devices that kubelet or our own lists still offer (I5: withdraw first). */
export function clearanceOf(memory: Memory, ground: Ground, regBase: RegBase): { uses: readonly Use[]; listed: readonly Address[] } {
  const { view } = ground;
  const uses = usesOf({ ground, lastUnits: memory.lastUnits, resources: memory.resources, settleMs: memory.settleMs }, regBase);
  const below = new Set(functionsBelow(ground, regBase).map((fn) => fn.address));
  for (const [address, unit] of memory.lastUnits) if (unit === regBase && !ground.functions.has(address)) below.add(address);
  const served = new Set(view.publications.filter((p) => p.serving).map((p) => p.resource));
  const ours = view.publications.flatMap((p) => p.ids);
  const kubelets = view.podResources.kind === "Read" ? view.podResources.allocatable.filter((a) => served.has(a.resource)).flatMap((a) => a.ids) : [];
  return { uses, listed: [...new Set([...ours, ...kubelets])].filter((id) => below.has(id)) };
}

/** Memory after a SEAMCALL that left something to repeat (`repeat` true) or did not. */
export function noteCall(memory: Memory, call: { regBase: RegBase; repeat: boolean; nowMs: number; problem: string }): Memory {
  const attempts = new Map(memory.attempts);
  if (call.repeat) attempts.set(call.regBase, { count: (attempts.get(call.regBase)?.count ?? 0) + 1, lastMs: call.nowMs, problem: call.problem });
  else attempts.delete(call.regBase);
  return { ...memory, attempts };
}

/** Memory after an Allocate answer: the device counts as handed out in this epoch from now on, before any view shows it. */
export function noteAnswer(memory: Memory, answer: Answer): Memory {
  const known = memory.holds.get(answer.address);
  if (known !== undefined && known.freeSinceMs === null) return memory;
  const hold = { epoch: answer.epoch, resource: answer.resource, freeSinceMs: answer.atMs };
  return { ...memory, holds: new Map(memory.holds).set(answer.address, hold) };
}

/** Memory from the moment SETUP is issued. */
export function noteSetup(memory: Memory, regBase: RegBase): Memory {
  return { ...memory, verifying: new Set([...memory.verifying, regBase]) };
}

/** Memory after the links below a unit were read again, when its SETUP had ended. */
export function noteSuspects(memory: Memory, regBase: RegBase, addresses: readonly Address[]): Memory {
  const verifying = new Set([...memory.verifying].filter((unit) => unit !== regBase));
  return { ...memory, verifying, suspects: new Set([...memory.suspects, ...addresses]) };
}
