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
import type { Leaf, RegBase } from "./unit.ts";
import { noPodLingers, type Use, usesOf } from "./use.ts";
import type { Answer } from "./view.ts";

/** A device somebody holds. `epoch` is the span of trust in which it was handed out; null when that cannot be proven. */
export interface Hold {
  readonly epoch: string | null;
  /** The extended resource under which it was handed out; null when no view says. */
  readonly resource: string | null;
  /** `namespace/name` of the pod that podresources named; empty while no view has. */
  readonly pod: string;
  /** Since when every view shows it free (monotonic ms); null while one shows it held. */
  readonly freeSinceMs: number | null;
}

/** SEAMCALLs for a unit that ended in something to repeat. */
export interface Attempts {
  /** The call they were for: what another instance of the module or another leaf answered is no reason to wait. */
  readonly leaf: Leaf;
  readonly instance: string;
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
  /** What the status of an earlier process proves of links: epochs it had checked, and devices it did not suspect. */
  readonly priorLinks: PriorLinks;
  /**
   * Devices whose link was not insecure when their unit's epoch was first seen: the order cannot be proven. With the time of the note; until a
   * newer view reads the link insecure.
   */
  readonly suspects: ReadonlyMap<Address, number>;
  /** Epochs whose links have been looked at, by unit. */
  readonly checked: ReadonlyMap<RegBase, string>;
  /** CDI specs: why they could not be written last time (empty: they were), and the names, `resource=id`, that are in place. */
  readonly specs: { readonly problem: string; readonly names: ReadonlySet<string> };
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

export interface PriorLinks {
  readonly epochs: ReadonlyMap<RegBase, string>;
  readonly unsuspected: ReadonlySet<Address>;
}

export function emptyMemory(startedMs: number, settleMs: number, last: NodeStatus | null): Memory {
  const seen = { holds: new Map(), lastUnits: new Map(), knownUnits: new Set<RegBase>() };
  const links = { priorLinks: priorLinksFrom(last), suspects: new Map(), checked: new Map(), verifying: new Set<RegBase>() };
  const none = { ...seen, ...links, specs: { problem: "", names: new Set<string>() } };
  const resources = new Set((last?.devices ?? []).map((device) => device.resource).filter((name) => name !== ""));
  return { startedMs, settleMs, priorHolds: priorHoldsFrom(last), resources, ...none, freeSince: new Map(), attempts: new Map() };
}

/** SetupRunning with a trusted state: its links were still to be read again. */
function priorLinksFrom(last: NodeStatus | null): PriorLinks {
  const checked = (last?.units ?? []).filter((unit) => unit.state === "Trusted" && unit.setupSeq !== "" && unit.reason !== "SetupRunning");
  const unsuspected = (last?.devices ?? []).filter((device) => device.reason !== "LinkSecuredBeforeSetup" && device.reason !== "LinkUnknown");
  return {
    epochs: new Map(checked.map((unit) => [unit.regBase, `${last?.tdxModule.instance}/${unit.setupSeq}`])),
    unsuspected: new Set(unsuspected.map((device) => device.address)),
  };
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
  for (const [address, { resource }] of heldInPods(ground)) if (mayBeOurs(ground, address)) resources.add(resource);
  const seen = { ...memory, lastUnits, knownUnits, resources };
  const next = { ...seen, ...linksAfter(memory, ground), holds: holdsAfter(seen, ground) };
  return { ...next, freeSince: freeSinceAfter(next, intent, ground) };
}

/**
 * An epoch is first seen after our SETUP, or by a process that cannot know what came before it. Whatever link below is not insecure then is
 * suspect, unless an earlier process's status vouches for it.
 */
function linksAfter(memory: Memory, ground: Ground): Pick<Memory, "suspects" | "checked"> {
  const { host, nowMs } = ground.view;
  const isOver = ([address, notedMs]: readonly [Address, number]): boolean =>
    nowMs > notedMs && ground.functions.get(address)?.link.state === "Insecure";
  const suspects = new Map([...memory.suspects].filter((suspect) => !isOver(suspect)));
  const checked = new Map(memory.checked);
  if (host.kind !== "Read") return { suspects, checked };
  for (const [regBase, { epoch }] of ground.units) {
    if (epoch === null || memory.verifying.has(regBase) || checked.get(regBase) === epoch) continue;
    const vouched = memory.priorLinks.epochs.get(regBase) === epoch ? memory.priorLinks.unsuspected : new Set();
    for (const fn of functionsBelow(ground, regBase)) if (fn.link.state !== "Insecure" && !vouched.has(fn.address)) suspects.set(fn.address, nowMs);
    checked.set(regBase, epoch);
  }
  return { suspects, checked };
}

/** By whom, and under which name, as far as the view says. */
interface Holder {
  readonly resource: string | null;
  readonly pod: string;
}

/** Devices that a view shows held right now, each with all its holders: kubelet counts by name, so under two names it can give one out twice. */
function heldNow(ground: Ground): ReadonlyMap<Address, readonly Holder[]> {
  const held = new Map<Address, readonly Holder[]>();
  for (const [address, holder] of heldInPods(ground)) held.set(address, [...(held.get(address) ?? []), holder]);
  for (const fn of ground.functions.values()) if (isHeldOnHost(fn) && !held.has(fn.address)) held.set(fn.address, [{ resource: null, pod: "" }]);
  return held;
}

function heldInPods({ view: { podResources } }: Ground): readonly (readonly [Address, Holder & { resource: string }])[] {
  if (podResources.kind !== "Read") return [];
  return podResources.pods.flatMap((pod) =>
    pod.ids.filter(isPciAddress).map((id) => [id, { resource: pod.resource, pod: `${pod.namespace}/${pod.pod}` }] as const),
  );
}

/** Other plugins have PCI addresses as ids too: what cannot do TEE-I/O was never given out by us. */
function mayBeOurs(ground: Ground, address: Address): boolean {
  return ground.functions.get(address)?.teeIo !== "No";
}

function isHeldOnHost(fn: PciFunction): boolean {
  return fn.link.bound === "Yes" || (fn.holders.kind === "Known" && fn.holders.pids.length > 0);
}

/** A holder that cannot be read may be there. A function that is not on the bus has nothing to hide. */
function isHiddenOnHost(fn: PciFunction | undefined): boolean {
  return fn !== undefined && (fn.holders.kind === "Unreadable" || fn.link.bound === "Unknown");
}

/** For about a second after its start kubelet answers success and empty (seen on 1.37): no settling time is shorter than that. */
export function kubeletSettleMs(settleMs: number): number {
  return Math.max(settleMs, KUBELET_EMPTY_MS);
}

const KUBELET_EMPTY_MS = 2_000;

/** True when every view that could show a hold was read and has been up long enough to be believed. */
function canShowFree(memory: Memory, ground: Ground): boolean {
  const { host, podResources, nowMs } = ground.view;
  if (host.kind !== "Read" || podResources.kind === "Unreadable") return false;
  return podResources.kind === "None" || nowMs - podResources.kubeletSinceMs >= kubeletSettleMs(memory.settleMs);
}

/** A holder under another name is another holder: what is known of the one says nothing of the other. */
function holdOf({ resource, pod }: Holder, known: Hold | undefined, priorEpoch: string | null): Hold {
  if (known === undefined) return { epoch: priorEpoch, resource, pod, freeSinceMs: null };
  const isSame = known.resource === null || resource === null || known.resource === resource;
  return { epoch: isSame ? known.epoch : null, resource: resource ?? known.resource, pod: pod === "" ? known.pod : pod, freeSinceMs: null };
}

function holdsAfter(memory: Memory, ground: Ground): ReadonlyMap<Address, Hold> {
  const { view } = ground;
  const holds = new Map(memory.holds);
  const held = heldNow(ground);
  for (const [address, holders] of held) {
    for (const holder of holders) holds.set(address, holdOf(holder, holds.get(address), memory.priorHolds.get(address) ?? null));
  }
  const believed = canShowFree(memory, ground);
  const podsAgree = noPodLingers({ ground, resources: memory.resources });
  for (const [address, hold] of holds) {
    if (held.has(address)) continue;
    // A hold of another epoch is all that keeps the device from the next pod: podresources, which leaves terminating pods out, is not enough.
    const isAgreed = podsAgree || !isStale(memory, ground, address, hold);
    const isShown = believed && isAgreed && !isHiddenOnHost(ground.functions.get(address));
    const freeSinceMs = isShown ? (hold.freeSinceMs ?? view.nowMs) : null;
    if (freeSinceMs !== null && view.nowMs - freeSinceMs >= memory.settleMs) holds.delete(address);
    else holds.set(address, { ...hold, freeSinceMs });
  }
  return holds;
}

/** Handed out in another span of trust than the unit's present one, or nobody knows in which. */
function isStale(memory: Pick<Memory, "lastUnits">, ground: Ground, address: Address, hold: Hold): boolean {
  const regBase = memory.lastUnits.get(address);
  const epoch = regBase === undefined ? null : (ground.units.get(regBase)?.epoch ?? null);
  return hold.epoch === null || hold.epoch !== epoch;
}

/** True when a hold of another epoch withholds its device, shown by a view or not. */
export function isAnyHoldStale(memory: Pick<Memory, "holds" | "lastUnits">, ground: Ground): boolean {
  return [...memory.holds].some(([address, hold]) => isStale(memory, ground, address, hold));
}

/** True when a hold waits for the API's pods to agree that it is over. */
export function hasStaleHold(memory: Pick<Memory, "holds" | "lastUnits">, ground: Ground): boolean {
  if (memory.holds.size === 0) return false;
  const held = heldNow(ground);
  return [...memory.holds].some(([address, hold]) => !held.has(address) && isStale(memory, ground, address, hold));
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

export interface CallEnd extends Pick<Attempts, "leaf" | "instance" | "problem"> {
  readonly regBase: RegBase;
  readonly repeat: boolean;
  readonly nowMs: number;
}

/** Memory after a SEAMCALL that left something to repeat (`repeat` true) or did not. */
export function noteCall(memory: Memory, call: CallEnd): Memory {
  const attempts = new Map(memory.attempts);
  const { regBase, repeat, nowMs, ...about } = call;
  const before = attempts.get(regBase);
  const isSame = before?.leaf === call.leaf && before.instance === call.instance;
  if (repeat) attempts.set(regBase, { ...about, lastMs: nowMs, count: (isSame ? before.count : 0) + 1 });
  else attempts.delete(regBase);
  return { ...memory, attempts };
}

/** Memory after an Allocate answer: the device counts as handed out in this epoch from now on, before any view shows it. */
export function noteAnswer(memory: Memory, answer: Answer): Memory {
  const known = memory.holds.get(answer.address);
  if (known !== undefined && known.freeSinceMs === null) return memory;
  const hold = { epoch: answer.epoch, resource: answer.resource, pod: "", freeSinceMs: answer.atMs };
  return { ...memory, holds: new Map(memory.holds).set(answer.address, hold) };
}

/** Memory from the moment SETUP is issued. */
export function noteSetup(memory: Memory, regBase: RegBase): Memory {
  return { ...memory, verifying: new Set([...memory.verifying, regBase]) };
}

/** Memory after the links below a unit were read again, when its SETUP had ended. */
export function noteSuspects(memory: Memory, regBase: RegBase, found: { addresses: readonly Address[]; nowMs: number }): Memory {
  const verifying = new Set([...memory.verifying].filter((unit) => unit !== regBase));
  const suspects = new Map([...memory.suspects, ...found.addresses.map((address): [Address, number] => [address, found.nowMs])]);
  return { ...memory, verifying, suspects };
}
