// SPDX-License-Identifier: Apache-2.0

/**
 * What must be known over time, and only that. A process begins with what an earlier one of this boot proved (proofs.ts), and without it on the safe
 * side: settling begins anew, a device found held without proof of when is withheld until it is free, and a secured link without proof that it was
 * insecure after SETUP withholds its device.
 */
import { bindWish, foreignInGroup, usesOfOne } from "./binds/wish.ts";
import { type BindWork, bindWorkAfterLook, NO_BIND_WORK } from "./binds/work.ts";
import { clearanceOf, isSetUp, isStranded } from "./clearance.ts";
import type { Address, PciFunction } from "./device.ts";
import { type LinkTaintMemory, linkTaintsAfterLook, linkTaintsOfStart } from "./dra/link-taint-memory.ts";
import { inOtherLedger, offeredByOthers } from "./dra/other-ledger.ts";
import type { Ground } from "./ground.ts";
import { type Hold, type HoldMemory, holdsAfter } from "./holds.ts";
import type { Intent } from "./intent.ts";
import { selectsUnit } from "./intent.ts";
import { isAnyLinkUnsure, type LastLinks, linksAfterLook } from "./link-reading.ts";
import { carriedOn, isOurs, usesOfSlot, wantingOn } from "./links/use.ts";
import { type LinkWork, linkWorkAfterLook, NO_LINK_WORK } from "./links/work.ts";
import { linkKey, NOTHING_PROVEN, type Proofs } from "./proofs.ts";
import { type RememberedNames, rememberedNamesAfter } from "./quiet-names.ts";
import { NO_SPECS, type SpecsInPlace } from "./specs.ts";
import { takenNames } from "./taken-names.ts";
import type { Leaf, RegBase } from "./unit.ts";
import { unknownHolders } from "./unknown-holders.ts";

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
  /** Names that kubelet may know from our device plugin. */
  readonly remembered: RememberedNames;
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
  readonly linkWork: LinkWork;
  /** Slots that DRA's claims are kept from, because securing their link failed. */
  readonly linkTaints: LinkTaintMemory;
  /** By owner of a slot: other functions of it that are, or may be, given away with the link that the owner's reset would end. */
  readonly carried: ReadonlyMap<Address, readonly Address[]>;
  /** Owners of slots for whose link no IDE stream would be left, as the last pass found them. */
  readonly withoutStream: ReadonlySet<Address>;
  readonly bindWork: BindWork;
  /** This node serves resources with ledger DRA. */
  readonly isDraServed: boolean;
  /** Devices that the ledger which the spec does not say has still, with what shows it. */
  readonly inOtherLedger: ReadonlyMap<Address, string>;
  /** Devices that another DRA driver lists, with its name for them. */
  readonly offeredByOthers: ReadonlyMap<Address, string>;
  /** Owners of slots of device plugins whose IDE streams the scheduler may give to DRA's. */
  readonly streamsShared: ReadonlySet<Address>;
  /** Of functions that a resource takes: others in their IOMMU group that none takes. */
  readonly foreignInGroup: ReadonlyMap<Address, readonly Address[]>;
}

/** What a process begins with. */
export function emptyMemory(startedMs: number, settleMs: number, proofs: Proofs = NOTHING_PROVEN): Memory {
  const { checkedLinks, lastUnits, loads, names, podUids } = proofs;
  // Until every view has shown the device free, it is in the hands that it was given into.
  const holds = new Map(
    [...proofs.holds].map(([address, proof]): [Address, Hold] => [address, { ...proof, pod: "", claim: null, freeSinceMs: null }]),
  );
  const proven = { checkedLinks, lastUnits, loads, podUids, holds, resources: names, served: names };
  const remembered = new Map([...names].map((name) => [name, null] as const));
  const none = {
    links: new Map(),
    unsureLooks: 0,
    unknownHolders: new Map(),
    taken: new Map(),
    verifying: new Set<RegBase>(),
    knownUnits: new Set<RegBase>(),
    freeSince: new Map(),
    attempts: new Map(),
    linkWork: NO_LINK_WORK,
    linkTaints: linkTaintsOfStart(checkedLinks),
    carried: new Map(),
    withoutStream: new Set<Address>(),
    bindWork: NO_BIND_WORK,
    isDraServed: false,
    inOtherLedger: new Map<Address, string>(),
    offeredByOthers: new Map<Address, string>(),
    streamsShared: new Set<Address>(),
    foreignInGroup: new Map(),
  };
  return { startedMs, settleMs, ...proven, ...none, remembered, specs: NO_SPECS, proofProblem: "" };
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
  const remembered = rememberedNamesAfter(memory.remembered, view.publications);
  const seen = { ...memory, ...links, lastUnits, knownUnits, served, podUids, remembered, resources: namesAfter(memory, intent, ground) };
  const next = { ...seen, holds: holdsAfter(seen, ground), unknownHolders: unknownHolders(seen, ground), taken: takenNames(seen, intent, ground) };
  const linkWork = linkWorkAfter(next, intent, ground);
  const unsureLooks = isAnyLinkUnsure(ground, memory.linkWork.writing !== null) ? memory.unsureLooks + 1 : 0;
  return {
    ...next,
    unsureLooks,
    carried: carriedOn(next, intent, ground),
    freeSince: freeSinceAfter(next, intent, ground),
    ...linkTaintsAfterLook({ ...next, linkWork }, { intent, ground }),
    bindWork: bindWorkAfter(next, intent, ground),
    foreignInGroup: foreignInGroup(intent, ground),
    isDraServed: view.dra !== null,
    inOtherLedger: inOtherLedger(next, intent, ground),
    offeredByOthers: offeredByOthers(ground),
  };
}

function linkWorkAfter(memory: Memory, intent: Intent | null, ground: Ground): LinkWork {
  // Nothing is released but what is ours to write, and finding out who uses it is not for nothing.
  const isFree = (owner: Address): boolean => {
    const slot = ground.slots.get(owner);
    return slot !== undefined && isOurs(intent, ground, slot) && usesOfSlot({ ground, memory }, owner).length === 0;
  };
  return linkWorkAfterLook(memory.linkWork, ground, { isFree, isWanted: (owner) => wantingOn({ ground, memory }, owner).length > 0 });
}

function bindWorkAfter(memory: Memory, intent: Intent | null, ground: Ground): BindWork {
  const { host, nowMs } = ground.view;
  // What no view shows counts from anew.
  if (host.kind !== "Read") return { ...memory.bindWork, freeSince: new Map() };
  return bindWorkAfterLook(
    memory.bindWork,
    { functions: ground.functions.values(), nowMs },
    { wishOf: (fn) => bindWish(intent, fn), isFree: (fn) => !isListed(ground, fn.address) && usesOfOne({ ground, memory }, fn).length === 0 },
  );
}

/** By the newest list that kubelet was handed. */
function isListed({ view }: Ground, address: Address): boolean {
  return view.publications.some(({ ids }) => ids.includes(address));
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
