// SPDX-License-Identifier: Apache-2.0

/**
 * Who uses the devices below a unit (I4). Every view has a say, and none is enough alone: podresources leaves out terminating pods and orphans,
 * the API names no device, vfio knows no pod. What can't be read is a use.
 */
import { accountingOf } from "./accounting.ts";
import { isPciAddress } from "./address.ts";
import type { Address, PciFunction } from "./device.ts";
import { draUses, isNotAsked } from "./dra/uses.ts";
import { functionsBelow, type Ground, slotOf } from "./ground.ts";
import { unseenMs } from "./kubelet-settling.ts";
import type { RegBase } from "./unit.ts";

export interface Use {
  /** Null when the view does not say which device. */
  readonly address: Address | null;
  readonly kind: "Pod" | "Bound" | "Holder" | "Link" | "Answer" | "CallInFlight" | "Claim" | "Spec" | "Unreadable" | "NotAsked";
  /** Names the holder: `pod default/train`, `pid 4711`. */
  readonly by: string;
}

/** What is known of a device that is not on the bus now: the unit it was last seen below. */
export type LastUnits = ReadonlyMap<Address, RegBase>;

export interface UseInputs {
  readonly ground: Ground;
  readonly lastUnits: LastUnits;
  /** Extended resources that are, or were, ours. */
  readonly ours: ReadonlySet<string>;
  /** Names whose pods podresources must account for: ours, and those under which another ledger has given one of these functions. */
  readonly accounted: ReadonlySet<string>;
  readonly settleMs: number;
}

/** Every use of a device that is, or may be, below the unit. Empty means free in every view. */
export function usesOf(inputs: UseInputs, regBase: RegBase): readonly Use[] {
  const { ground } = inputs;
  const { host } = ground.view;
  const blind = host.kind === "Read" ? host.value.unreadableUnits.map((unit) => `${unit.kernelName}: ${unit.why}`) : [];
  const functions = [...functionsBelow(ground, regBase), ...detached(inputs, regBase)];
  return usesIn(inputs, { functions, isIn: belowTest(inputs, regBase), blind, countsLink: true, inCall: () => true });
}

/** The devices that a question is about. */
export interface UseScope {
  /** On the bus. */
  readonly functions: readonly PciFunction[];
  /** Whether a device that a view names is, or may be, one of them. */
  readonly isIn: BelowTest;
  /** What keeps it from being told which they are. */
  readonly blind: readonly string[];
  /** A link that is secured is a use, too. */
  readonly countsLink: boolean;
  /** Whether a call of kubelet that names these devices is about one of them. */
  readonly inCall: (addresses: readonly Address[]) => boolean;
}

/** Every use of them. Empty means free in every view. */
export function usesIn(inputs: UseInputs, scope: UseScope): readonly Use[] {
  const { ground } = inputs;
  const { view } = ground;
  const { isIn, countsLink } = scope;
  const uses: Use[] = [];
  if (view.host.kind !== "Read") uses.push(unreadable(`host: ${view.host.why}`));
  uses.push(...scope.blind.map(unreadable));
  for (const fn of scope.functions) uses.push(...(countsLink ? linkUses(fn, ground) : []), ...usesOfFunction(fn));
  uses.push(...podResourcesUses(inputs, isIn));
  const answerMs = unseenMs(inputs.settleMs, view.podResources);
  for (const answer of view.answers) {
    if (isIn(answer.address, true) && view.nowMs - answer.atMs < answerMs)
      uses.push({ address: answer.address, kind: "Answer", by: "an allocation just answered" });
  }
  for (const { resource, callsInFlight, inCalls } of view.publications) {
    if (callsInFlight > 0 && scope.inCall(inCalls)) uses.push({ address: null, kind: "CallInFlight", by: `a kubelet call for ${resource}` });
  }
  uses.push(...draUses(view, isIn));
  if (uses.length === 0 && isNotAsked(view.dra)) uses.push({ address: null, kind: "NotAsked", by: "the claims of this node" });
  // The API is only asked when all else is free: then not asked is a use, before that it is no news.
  if (uses.every(({ kind }) => kind === "NotAsked") || view.pods.kind !== "NotAsked") uses.push(...unplacedPods(inputs));
  return uses;
}

const unreadable = (by: string): Use => ({ address: null, kind: "Unreadable", by });

/** Whether a device is, or may be, below a unit. `isOurs`: our own plugin or a CDI spec of ours gives it away, or did. */
export type BelowTest = (address: Address, isOurs: boolean) => boolean;

/**
 * One that cannot be placed (its unit cannot be read, or it is off the bus and was never seen) may be below any unit. One that is there and that the kernel shows below no unit is below none,
 * unless it is ours: then it was below a unit once, and this process does not know which.
 */
export function belowTest({ ground, lastUnits }: Pick<UseInputs, "ground" | "lastUnits">, regBase: RegBase): BelowTest {
  return (address, isOurs) => {
    const unit = ground.functions.get(address)?.unit;
    if (unit?.kind === "Unit") return unit.regBase === regBase;
    if (unit?.kind === "Unreadable") return true;
    if (!isPciAddress(address)) return false;
    const last = lastUnits.get(address);
    if (last !== undefined) return last === regBase;
    return unit?.kind !== "None" || isOurs;
  };
}

/** Functions that were below the unit and whose link to it is gone while they are still there. */
function detached({ ground, lastUnits }: UseInputs, regBase: RegBase): readonly PciFunction[] {
  return [...ground.functions.values()].filter((fn) => fn.unit.kind === "None" && lastUnits.get(fn.address) === regBase);
}

const UNREAD = { state: "Unknown", tsm: "" } as const;

function linkUses(fn: PciFunction, ground: Ground): readonly Use[] {
  const { address } = fn;
  const slot = slotOf(ground, fn);
  const link = slot?.link ?? UNREAD;
  const uses: Use[] = [];
  if (slot?.linkRead.tsm === "Writing") uses.push({ address, kind: "Link", by: "its link, which is being secured or released" });
  else if (link.state === "Secure") uses.push({ address, kind: "Link", by: link.tsm === "" ? "an IDE stream" : `TSM ${link.tsm}` });
  if (link.state === "Unknown" || !fn.isIdeRead) uses.push({ address, kind: "Unreadable", by: "its link" });
  return uses;
}

function usesOfFunction({ address, bound, holders }: PciFunction): readonly Use[] {
  const uses: Use[] = [];
  if (bound === "Yes") uses.push({ address, kind: "Bound", by: "a TD (tsm/bound)" });
  if (bound === "Unknown") uses.push({ address, kind: "Unreadable", by: "tsm/bound" });
  if (holders.kind === "Unreadable") uses.push({ address, kind: "Unreadable", by: `vfio holders: ${holders.why}` });
  else uses.push(...holders.pids.map((pid): Use => ({ address, kind: "Holder", by: `pid ${pid}` })));
  return uses;
}

function podResourcesUses({ ground, ours }: UseInputs, isBelow: BelowTest): readonly Use[] {
  const { podResources } = ground.view;
  if (podResources.kind === "None") return [];
  if (podResources.kind === "Unreadable") return [unreadable(`podresources: ${podResources.why}`)];
  return ground.inPods
    .filter(({ address, resource }) => isBelow(address, ours.has(resource)))
    .map(({ address, resource, pod, id }): Use => ({ address, kind: "Pod", by: id === address ? `pod ${pod}` : `pod ${pod} (${resource} ${id})` }));
}

/** A live pod that podresources does not account for may hold any device. */
function unplacedPods({ ground, accounted }: UseInputs): readonly Use[] {
  const accounting = accountingOf(ground, accounted);
  if (accounting.kind === "Accounted") return [];
  if (accounting.kind === "NotAsked") return [{ address: null, kind: "NotAsked", by: "the pods of this node" }];
  if (accounting.kind === "Unreadable") return [unreadable(`pods of this node: ${accounting.why}`)];
  if (accounting.kind === "Behind") return accounting.given.map((what): Use => ({ address: null, kind: "Pod", by: `kubelet's checkpoint: ${what}` }));
  if (accounting.kind === "Ending")
    return accounting.podUids.map(
      (uid): Use => ({ address: null, kind: "Pod", by: `the pod with UID ${uid}, which kubelet has forgotten and which runs` }),
    );
  return accounting.pods.map((pod): Use => {
    const how = pod.terminating ? "terminating" : "podresources does not show its devices";
    return { address: null, kind: "Pod", by: `pod ${pod.namespace}/${pod.name} (${how})` };
  });
}

/** One sentence that names the blockers, at most three of them. */
export function describeUses(uses: readonly Use[]): string {
  const texts = [
    ...new Set(
      uses.map((use) => (use.kind === "Unreadable" || use.kind === "NotAsked" ? `cannot read ${at(use)}${use.by}` : `${at(use)}in use by ${use.by}`)),
    ),
  ];
  return texts.length <= 3 ? texts.join("; ") : `${texts.slice(0, 3).join("; ")}; and ${texts.length - 3} more`;
}

const at = (use: Use): string => (use.address === null ? "" : `${use.address} `);
