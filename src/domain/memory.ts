// SPDX-License-Identifier: Apache-2.0

/**
 * What must be known over time, and only that. A process that lost it (crash) starts with an empty one and is safe: settling begins anew, and a
 * device found held without proof of when is withheld until it is free.
 */
import { type Address, linkOwnerOf } from "./device.ts";
import { rulesOutSuspicion } from "./gate.ts";
import { functionsBelow, type Ground, type UnitFact } from "./ground.ts";
import { type HoldMemory, heldInPods, holdsAfter } from "./holds.ts";
import type { Intent } from "./intent.ts";
import { selectsUnit } from "./intent.ts";
import { isLinkUnsure, type LastLinks, linksAfterLook } from "./link-reading.ts";
import type { NodeStatus } from "./status.ts";
import type { Leaf, RegBase } from "./unit.ts";
import { type Use, usesOf } from "./use.ts";
import type { Answer } from "./view.ts";

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

export interface Memory extends HoldMemory {
  readonly startedMs: number;
  /** What the status of an earlier process proves of links: epochs it had checked, and devices it did not suspect. */
  readonly priorLinks: PriorLinks;
  /**
   * Devices whose link was not insecure when their unit's epoch was first seen: the order cannot be proven. Also those that came later and have
   * their link from one of these. With the time of the note; until a newer view reads the link insecure.
   */
  readonly suspects: ReadonlyMap<Address, number>;
  /** What stands for a link while its reading blocks. */
  readonly links: LastLinks;
  /** Looks in a row that left a link unsure. */
  readonly unsureLooks: number;
  /** Epochs whose links have been looked at, by unit. */
  readonly checked: ReadonlyMap<RegBase, string>;
  /** CDI specs: why they could not be written last time (empty: they were), and the names, `resource=id`, that are in place. */
  readonly specs: { readonly problem: string; readonly names: ReadonlySet<string> };
  /** Units whose links have not been read again since SETUP was issued: nothing below counts as trusted until they have. */
  readonly verifying: ReadonlySet<RegBase>;
  readonly knownUnits: ReadonlySet<RegBase>;
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
  const read = { links: new Map(), unsureLooks: 0 };
  const links = { ...read, priorLinks: priorLinksFrom(last), suspects: new Map(), checked: new Map(), verifying: new Set<RegBase>() };
  const none = { ...seen, ...links, specs: { problem: "", names: new Set<string>() } };
  const resources = new Set((last?.devices ?? []).map((device) => device.resource).filter((name) => name !== ""));
  return { startedMs, settleMs, priorHolds: priorHoldsFrom(last), resources, ...none, freeSince: new Map(), attempts: new Map() };
}

/** SetupRunning with a trusted state: its links were still to be read again. */
function priorLinksFrom(last: NodeStatus | null): PriorLinks {
  const checked = (last?.units ?? []).filter((unit) => unit.state === "Trusted" && unit.setupSeq !== "" && unit.reason !== "SetupRunning");
  // The link as that status shows it is no proof: a stopping agent's last status has a newer table than links.
  const unsuspected = (last?.devices ?? []).filter((device) => rulesOutSuspicion(device.reason));
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
  const seen = { ...memory, lastUnits, knownUnits, resources: namesAfter(memory, intent, ground) };
  const next = { ...seen, ...linksAfter(memory, ground), holds: holdsAfter(seen, ground), links: linksAfterLook(memory.links, ground) };
  const unsureLooks = [...ground.functions.values()].some(isLinkUnsure) ? memory.unsureLooks + 1 : 0;
  return { ...next, unsureLooks, freeSince: freeSinceAfter(next, intent, ground) };
}

/** Names that are, or were, ours, after one more observation. */
export function namesAfter({ resources }: Pick<Memory, "resources">, intent: Intent | null, ground: Ground): ReadonlySet<string> {
  const names = new Set([...resources, ...(intent?.resources ?? []).map((r) => r.name), ...ground.view.publications.map((p) => p.resource)]);
  // After a rename and a restart nothing else tells under which name a pod was given one of ours.
  for (const [address, { resource }] of heldInPods(ground)) if (mayBeOurs(ground, address)) names.add(resource);
  return names;
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
  // Virtual functions may be made at any time. The link that they come with is as old as their physical function's.
  for (const fn of ground.functions.values())
    if (fn.link.state !== "Insecure" && suspects.has(linkOwnerOf(fn)) && !suspects.has(fn.address)) suspects.set(fn.address, nowMs);
  return { suspects, checked };
}

/** Other plugins have PCI addresses as ids too: what cannot do TEE-I/O was never given out by us. */
function mayBeOurs(ground: Ground, address: Address): boolean {
  return ground.functions.get(address)?.teeIo !== "No";
}

function freeSinceAfter(memory: Memory, intent: Intent | null, ground: Ground): ReadonlyMap<RegBase, number> {
  const since = new Map<RegBase, number>();
  for (const [regBase, fact] of ground.units) {
    if (intent === null || !selectsUnit(intent, regBase) || !isSetUp(fact)) continue;
    if (intent.state === "Trusted" && !isStranded(fact)) continue;
    const { uses, listed } = clearanceOf(memory, ground, regBase);
    if (uses.length === 0 && listed.length === 0) since.set(regBase, memory.freeSince.get(regBase) ?? ground.view.nowMs);
  }
  return since;
}

/** There is something to clear: an id, or trust whose id the kernel keeps to itself. */
export function isSetUp({ entry, epoch }: UnitFact): boolean {
  return entry.tdxIommuId !== null || epoch !== null;
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

/** Memory after a CLEAR that was not issued because the look at its devices had aged: no attempt, but the unit is looked at anew, and says why. */
export function noteLate(memory: Memory, { regBase, leaf, instance, problem, nowMs }: CallEnd): Memory {
  const before = memory.attempts.get(regBase);
  const isSame = before?.leaf === leaf && before.instance === instance;
  const attempts = isSame ? { ...before, problem } : { leaf, instance, problem, lastMs: nowMs, count: 0 };
  return { ...memory, attempts: new Map(memory.attempts).set(regBase, attempts) };
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

/**
 * Memory for a table that is newer than the host's view: nobody has looked at the links of an epoch that begins with it, which is as if our SETUP had
 * just ended.
 */
export function noteUnchecked(memory: Memory, units: Ground["units"]): Memory {
  const unchecked = [...units].filter(([regBase, { epoch }]) => epoch !== null && memory.checked.get(regBase) !== epoch);
  return { ...memory, verifying: new Set([...memory.verifying, ...unchecked.map(([regBase]) => regBase)]) };
}

/** Memory after the links below a unit were read again, when its SETUP had ended. */
export function noteSuspects(memory: Memory, regBase: RegBase, found: { addresses: readonly Address[]; nowMs: number }): Memory {
  const verifying = new Set([...memory.verifying].filter((unit) => unit !== regBase));
  const suspects = new Map([...memory.suspects, ...found.addresses.map((address): [Address, number] => [address, found.nowMs])]);
  return { ...memory, verifying, suspects };
}
