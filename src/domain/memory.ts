// SPDX-License-Identifier: Apache-2.0

/**
 * What must be known over time, and only that. A process begins with what an earlier one of this boot proved (proofs.ts), and without it on the safe
 * side: settling begins anew, a device found held without proof of when is withheld until it is free, and a secured link without proof that it was
 * insecure after SETUP withholds its device.
 */
import type { Address, PciFunction } from "./device.ts";
import type { Ground, UnitFact } from "./ground.ts";
import { accountedNames, type Hold, type HoldMemory, holdsAfter, isStillShown } from "./holds.ts";
import type { Intent } from "./intent.ts";
import { selectsUnit } from "./intent.ts";
import { isAnyLinkUnsure, type LastLinks, linksAfterLook } from "./link-reading.ts";
import { linkKey, NOTHING_PROVEN, type Proofs } from "./proofs.ts";

import { NO_SPECS, type SpecsInPlace, specsOf, specUses } from "./specs.ts";
import { takenNames } from "./taken-names.ts";
import type { Leaf, RegBase } from "./unit.ts";
import { unknownHolders } from "./unknown-holders.ts";
import { type BelowTest, belowTest, type Use, usesOf } from "./use.ts";
import type { Answer } from "./view.ts";

/** SEAMCALLs for a unit that ended in something to repeat. */
export interface Attempts {
  /** The call they were for: what another instance of the module or another leaf answered is no reason to wait. */
  readonly leaf: Leaf;
  readonly instance: string;
  readonly count: number;
  readonly lastMs: number;
  /** When the last CLEAR was too late to be issued (monotonic ms): no attempt, and yet something to rest from. */
  readonly lateMs?: number;
  /** Why the driver could not even make the call; empty when the TDX module answered (its answer is in the unit's lastCall). */
  readonly problem: string;
}

export interface Memory extends HoldMemory {
  readonly startedMs: number;
  /** Links that were read insecure after SETUP had ended, by owner and epoch (proofs.ts `linkKey`). */
  readonly checkedLinks: ReadonlySet<string>;
  /** What stands for a link while its reading blocks. */
  readonly links: LastLinks;
  /** Looks in a row that left a link unsure. */
  readonly unsureLooks: number;
  /** Devices in the hands of a process or a TD that no pod accounts for, with its name. */
  readonly unknownHolders: ReadonlyMap<Address, string>;
  readonly specs: SpecsInPlace;
  /** Why proofs cannot be written; empty when they can. */
  readonly proofProblem: string;
  /** Extended resources that were listed in this boot. */
  readonly served: ReadonlySet<string>;
  /** Names that another device plugin serves on this node, with what shows it. */
  readonly taken: ReadonlyMap<string, string>;
  /** UIDs of pods to which a kubelet without an API server has given something of ours, and which may run. */
  readonly podUids: ReadonlySet<string>;
  /** Proofs.loads: known to the driver, kept here for the next process. */
  readonly loads: ReadonlySet<string>;
  /** Units whose links have not been read again since SETUP was issued: nothing below counts as trusted until they have. */
  readonly verifying: ReadonlySet<RegBase>;
  readonly knownUnits: ReadonlySet<RegBase>;
  /** Units to clear: since when everything below is withdrawn and free in every view. */
  readonly freeSince: ReadonlyMap<RegBase, number>;
  readonly attempts: ReadonlyMap<RegBase, Attempts>;
}

/** What a process begins with. */
export function emptyMemory(startedMs: number, settleMs: number, proofs: Proofs = NOTHING_PROVEN): Memory {
  const { checkedLinks, lastUnits, loads, names, podUids } = proofs;
  // Until every view has shown the device free, it is in the hands that it was given into.
  const holds = new Map([...proofs.holds].map(([address, proof]): [Address, Hold] => [address, { ...proof, pod: "", freeSinceMs: null }]));
  const proven = { checkedLinks, lastUnits, loads, podUids, holds, resources: names, served: names };
  const none = {
    links: new Map(),
    unsureLooks: 0,
    unknownHolders: new Map(),
    taken: new Map(),
    verifying: new Set<RegBase>(),
    knownUnits: new Set<RegBase>(),
    freeSince: new Map(),
    attempts: new Map(),
  };
  return { startedMs, settleMs, ...proven, ...none, specs: NO_SPECS, proofProblem: "" };
}

/** What the next process may rely on. */
export function proofsOf({ checkedLinks, holds, lastUnits, loads, podUids, served, specs }: Memory): Proofs {
  const proven = new Map(
    [...holds].flatMap(([address, { epoch, resource, node, kubelet }]) =>
      epoch === null || resource === null ? [] : [[address, { epoch, resource, node, kubelet }] as const],
    ),
  );
  return { checkedLinks, holds: proven, specs: specs.proven, names: served, lastUnits, loads, podUids };
}

/** Memory after one more observation. Pure. */
export function remember(memory: Memory, intent: Intent | null, ground: Ground): Memory {
  const { view } = ground;
  const lastUnits = lastUnitsAfter(memory, ground);
  const knownUnits = new Set([...memory.knownUnits, ...ground.units.keys()]);
  if (view.host.kind === "Read") for (const unit of view.host.value.units) knownUnits.add(unit.regBase);
  const served = new Set([...memory.served, ...view.publications.map((p) => p.resource)]);
  const links = { checkedLinks: checkedLinksAfter(memory, ground), links: linksAfterLook(memory.links, ground) };
  const podUids = podUidsAfter(memory, ground);
  const seen = { ...memory, ...links, lastUnits, knownUnits, served, podUids, resources: namesAfter(memory, intent, ground) };
  const next = { ...seen, holds: holdsAfter(seen, ground), unknownHolders: unknownHolders(seen, ground), taken: takenNames(seen, intent, ground) };
  const unsureLooks = isAnyLinkUnsure(ground) ? memory.unsureLooks + 1 : 0;
  return { ...next, unsureLooks, freeSince: freeSinceAfter(next, intent, ground) };
}

function podUidsAfter({ podUids }: Pick<Memory, "podUids">, { view: { pods } }: Ground): ReadonlySet<string> {
  return pods.kind === "Checkpoint" ? new Set([...pods.given.map(({ podUid }) => podUid), ...pods.forgotten]) : podUids;
}

/** The same map while nothing in it changes: what is written down hangs on it. */
function lastUnitsAfter({ lastUnits }: Pick<Memory, "lastUnits">, ground: Ground): ReadonlyMap<Address, RegBase> {
  let after: Map<Address, RegBase> | null = null;
  for (const { address, unit } of ground.functions.values()) {
    if (unit.kind !== "Unit" || lastUnits.get(address) === unit.regBase) continue;
    after ??= new Map(lastUnits);
    after.set(address, unit.regBase);
  }
  return after ?? lastUnits;
}

/** Names that are, or were, ours, after one more observation. */
export function namesAfter({ resources }: Pick<Memory, "resources">, intent: Intent | null, ground: Ground): ReadonlySet<string> {
  return new Set([...resources, ...(intent?.resources ?? []).map((r) => r.name), ...ground.view.publications.map((p) => p.resource)]);
}

/**
 * A link whose owner reads insecure once SETUP has ended (the table is read before the host) can only be secured after it. What is secure at the first
 * look, was off the bus until then, or cannot be read, stays unchecked: the order cannot be proven.
 */
function checkedLinksAfter(memory: Memory, ground: Ground): ReadonlySet<string> {
  const { driver, host } = ground.view;
  const checked = new Set(memory.checkedLinks);
  if (driver.kind === "Read") {
    const epochs = new Set([...ground.units.values()].map((fact) => fact.epoch));
    for (const key of checked) if (!epochs.has(key.slice(key.indexOf(" ") + 1))) checked.delete(key);
  }
  if (host.kind !== "Read") return sameOr(memory.checkedLinks, checked);
  for (const slot of ground.slots.values()) {
    if (slot.link.state !== "Insecure" || !ground.functions.has(slot.owner)) continue;
    for (const fn of ground.onSlot.get(slot.owner) ?? []) {
      const epoch = verifiedEpoch(memory, ground, fn);
      if (epoch !== null) checked.add(linkKey(slot.owner, epoch));
    }
  }
  return sameOr(memory.checkedLinks, checked);
}

/** Epoch of the unit above, once its links were read again after SETUP. */
function verifiedEpoch({ verifying }: Pick<Memory, "verifying">, { units }: Ground, { unit }: PciFunction): string | null {
  const fact = unit.kind === "Unit" ? units.get(unit.regBase) : undefined;
  return fact === undefined || verifying.has(fact.entry.regBase) ? null : fact.epoch;
}

/** The set of before when nothing in it has changed. */
function sameOr(before: ReadonlySet<string>, after: ReadonlySet<string>): ReadonlySet<string> {
  return before.size === after.size && after.isSubsetOf(before) ? before : after;
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
  const isBelow = belowTest({ ground, lastUnits: memory.lastUnits }, regBase);
  const { lastUnits, resources: ours, settleMs } = memory;
  const used = usesOf({ ground, lastUnits, ours, accounted: accountedNames(memory), settleMs }, regBase);
  const besides = [...specUses(memory.specs, isBelow), ...stillShownUses(memory, ground, isBelow)];
  // The API is asked only when all else is free.
  const uses = [...(besides.length > 0 ? used.filter(({ kind }) => kind !== "NotAsked") : used), ...besides];
  const served = new Set(view.publications.filter((p) => p.serving).map((p) => p.resource));
  const listed = view.publications.flatMap((p) => p.ids);
  const kubelets = view.podResources.kind === "Read" ? view.podResources.allocatable.filter((a) => served.has(a.resource)).flatMap((a) => a.ids) : [];
  // A container runtime resolves a CDI name without asking kubelet or the agent.
  const specs = specsOf(memory.specs);
  return { uses, listed: [...new Set([...listed, ...kubelets, ...specs])].filter((id) => isBelow(id, true)) };
}

/** Functions that another ledger's pod has by a number that means none of them any more. */
function stillShownUses({ holds }: Memory, ground: Ground, isBelow: BelowTest): readonly Use[] {
  const shown = [...holds].filter(([address, hold]) => isBelow(address, false) && isStillShown(hold, ground));
  return shown.map(([address, { pod, resource }]) => ({ address, kind: "Pod", by: `pod ${pod} (${resource})` }));
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
  const attempts = { ...(isSame ? before : { leaf, instance, lastMs: nowMs, count: 0 }), problem, lateMs: nowMs };
  return { ...memory, attempts: new Map(memory.attempts).set(regBase, attempts) };
}

/**
 * Memory after an answer to Allocate: the device counts as handed out in this epoch, with this node, from now on, before any view shows it. Kubelet
 * allocates only what it counts free, so a newer answer replaces what was known of an older one.
 */
export function noteAnswer(memory: Memory, { address, epoch, resource, node, kubelet, atMs }: Answer): Memory {
  const known = memory.holds.get(address);
  const isHeld = known !== undefined && known.freeSinceMs === null;
  const hold: Hold = { epoch, resource, node, kubelet, pod: isHeld ? known.pod : "", freeSinceMs: isHeld ? null : atMs };
  return { ...memory, holds: new Map(memory.holds).set(address, hold) };
}

/** Memory after an answer that could not be given: as before it, unless a view or a later answer has said something of the device in between. */
export function noteNotGiven(memory: Memory, { address, atMs, epoch }: Answer, before: Hold | undefined): Memory {
  const known = memory.holds.get(address);
  if (known?.epoch !== epoch || known.freeSinceMs !== atMs) return memory;
  const holds = new Map(memory.holds);
  if (before === undefined) holds.delete(address);
  else holds.set(address, before);
  return { ...memory, holds };
}

/** Memory after PreStart said yes: the container may open the device at any time from now on, whatever the views show. */
export function notePreStart(memory: Memory, { address, atMs, kubelet }: Pick<Answer, "address" | "atMs" | "kubelet">): Memory {
  const known = memory.holds.get(address);
  if (known === undefined || (known.freeSinceMs === null && known.kubelet === kubelet)) return memory;
  const freeSinceMs = known.freeSinceMs === null ? null : atMs;
  return { ...memory, holds: new Map(memory.holds).set(address, { ...known, kubelet, freeSinceMs }) };
}

/** Memory with the loads of the kernel's own driver that the next process may be told of. */
export function noteLoads(memory: Memory, loads: ReadonlySet<string>): Memory {
  return { ...memory, loads };
}

/** Memory of what is about to be listed: its names count as ours from before kubelet hears them. */
export function noteListed(memory: Memory, offer: readonly { readonly resource: string }[]): Memory {
  return { ...memory, served: new Set([...memory.served, ...offer.map(({ resource }) => resource)]) };
}

/** Memory from the moment SETUP is issued. */
export function noteSetup(memory: Memory, regBase: RegBase): Memory {
  return { ...memory, verifying: new Set([...memory.verifying, regBase]) };
}

/** Memory after the links below a unit were read again, when its SETUP had ended. */
export function noteReadAgain(memory: Memory, regBase: RegBase): Memory {
  return { ...memory, verifying: new Set([...memory.verifying].filter((unit) => unit !== regBase)) };
}
