// SPDX-License-Identifier: Apache-2.0

/** Devices that are held: by whom, since which span of trust, and when they count as free again. */
import { accountingOf } from "./accounting.ts";
import type { Address, PciFunction } from "./device.ts";
import { type HoldOfFile, holdsOfFiles } from "./dra/holds.ts";
import { DRA_DRIVER } from "./dra/names.ts";
import type { Ground } from "./ground.ts";
import { handKey } from "./in-pods.ts";
import { kubeletSettleMs, unseenMs } from "./kubelet-settling.ts";
import type { RegBase } from "./unit.ts";

/** A device that is held. `epoch` is the span of trust in which it was handed out; null when that cannot be proven. */
export interface Hold {
  readonly epoch: string | null;
  /** The extended resource under which it was handed out; null when no view says. */
  readonly resource: string | null;
  /** The vfio device node that was given; null when that cannot be proven. Numbers of nodes are reused, so it names the device only with the address. */
  readonly node: string | null;
  /** `namespace/name` of the pod that podresources named; empty while no view has. */
  readonly pod: string;
  /** The newest start of kubelet that is known to count it as given: it asked for it, or its podresources showed it. Null: none is. */
  readonly kubelet: string | null;
  /** UID of the claim that it was prepared for and not yet unprepared; null: none. */
  readonly claim: string | null;
  /** Since when every view shows it free (monotonic ms); null while one shows it held. */
  readonly freeSinceMs: number | null;
}

/** What the holds follow from, as far as it must be known over time. */
export interface HoldMemory {
  readonly settleMs: number;
  readonly holds: ReadonlyMap<Address, Hold>;
  readonly lastUnits: ReadonlyMap<Address, RegBase>;
  /** Extended resources that are or were ours. */
  readonly resources: ReadonlySet<string>;
}

/** By whom, and under which name, as far as the view says. */
interface Holder {
  readonly resource: string | null;
  readonly pod: string;
  readonly kubelet: string | null;
  /** What its claim file says; null: there is none. */
  readonly file: HoldOfFile | null;
}

/** Devices that a view shows held right now, each with all its holders: kubelet counts by name, so under two names it can give one out twice. */
function heldNow(ground: Ground): ReadonlyMap<Address, readonly Holder[]> {
  const held = new Map<Address, readonly Holder[]>();
  // Read before podresources: what podresources shows, this kubelet or a later one shows.
  const kubelets = new Map(ground.view.publications.map(({ resource, kubelet }) => [resource, kubelet]));
  for (const { address, resource, pod } of ground.inPods)
    held.set(address, [...(held.get(address) ?? []), { resource, pod, kubelet: kubelets.get(resource) ?? null, file: null }]);
  for (const [address, file] of holdsOfFiles(ground.view))
    held.set(address, [...(held.get(address) ?? []), { resource: DRA_DRIVER, pod: "", kubelet: null, file }]);
  for (const fn of ground.functions.values())
    if (isHeldOnHost(fn) && !held.has(fn.address)) held.set(fn.address, [{ resource: null, pod: "", kubelet: null, file: null }]);
  return held;
}

function isHeldOnHost(fn: PciFunction): boolean {
  return fn.bound === "Yes" || (fn.holders.kind === "Known" && fn.holders.pids.length > 0);
}

/** A holder that cannot be read may be there. A function that is not on the bus has nothing to hide. */
function isHiddenOnHost(fn: PciFunction | undefined): boolean {
  return fn !== undefined && (fn.holders.kind === "Unreadable" || fn.bound === "Unknown");
}

/**
 * What keeps every view from showing that one of these devices is free, most general first; empty when all that must show it can be read. The API's
 * pods are asked only when something hangs on them.
 */
export function blindSpots({ view: { podResources, pods }, functions }: Ground, addresses: Iterable<Address>): readonly string[] {
  const found: string[] = [];
  if (podResources.kind === "Unreadable") found.push(`podresources: ${podResources.why}`);
  if (pods.kind === "Unreadable") found.push(`pods of this node: ${pods.why}`);
  for (const address of addresses) {
    const fn = functions.get(address);
    if (fn?.holders.kind === "Unreadable") found.push(`${address} vfio holders: ${fn.holders.why}`);
    if (fn?.bound === "Unknown" && fn.boundRead !== "Stands") found.push(`${address} tsm/bound`);
  }
  return found;
}

/** True when every view that could show a hold was read and has been up long enough to be believed. */
function canShowFree(memory: HoldMemory, ground: Ground): boolean {
  const { host, podResources, nowMs } = ground.view;
  if (host.kind !== "Read" || podResources.kind === "Unreadable") return false;
  return podResources.kind === "None" || nowMs - podResources.kubeletSinceMs >= kubeletSettleMs(memory.settleMs);
}

/** The names whose pods podresources must account for: ours, and those under which another ledger has given one of these functions. */
export function accountedNames({ resources, holds }: Pick<HoldMemory, "resources" | "holds">): ReadonlySet<string> {
  return new Set([...resources, ...[...holds.values()].flatMap(({ resource }) => resource ?? [])]);
}

/** Its pod has what it had under that name, although the id means no function any more. */
export function isStillShown({ pod, resource }: Hold, ground: Ground): boolean {
  return resource !== null && pod !== "" && ground.unmapped.has(handKey({ pod, resource }));
}

/** Who has a device that `isForgotten`. */
export const FORGOTTEN = "a pod that it was given to before kubelet started, and that this kubelet has not shown";

/**
 * Handed out, and this start of kubelet is not known to count it as given: a kubelet that lost its checkpoint, or has an older one, gives it a second
 * time. One of an epoch that cannot be proven is withheld for that.
 */
export function isForgotten(hold: Pick<Hold, "epoch" | "kubelet"> | null, kubelet: string | null): boolean {
  return hold !== null && hold.epoch !== null && hold.kubelet !== kubelet;
}

/** How long every view must have shown a device free. */
function settleMsOf(memory: HoldMemory, { view }: Ground): number {
  return unseenMs(memory.settleMs, view.podResources);
}

/** A holder under another name is another holder: what is known of the one says nothing of the other. */
function holdOf({ resource, pod, kubelet, file }: Holder, known: Hold | undefined): Hold {
  // The file is the fact: it was written by whoever gave the device, and outlives every process of ours.
  if (file !== null) return { ...file, resource, pod: known?.pod ?? "", kubelet: known?.kubelet ?? null, freeSinceMs: null };
  if (known === undefined) return { epoch: null, node: null, claim: null, resource, pod, kubelet, freeSinceMs: null };
  const isSame = known.resource === null || resource === null || known.resource === resource;
  const proven = isSame ? { epoch: known.epoch, node: known.node, claim: known.claim } : { epoch: null, node: null, claim: null };
  const pods = { pod: pod === "" ? known.pod : pod, kubelet: kubelet ?? known.kubelet };
  return { ...proven, ...pods, resource: resource ?? known.resource, freeSinceMs: null };
}

/** The holds after one more observation. */
export function holdsAfter(memory: HoldMemory, ground: Ground): ReadonlyMap<Address, Hold> {
  const { view } = ground;
  const holds = new Map(memory.holds);
  const held = heldNow(ground);
  for (const [address, holders] of held) {
    for (const holder of holders) holds.set(address, holdOf(holder, holds.get(address)));
  }
  const believed = canShowFree(memory, ground);
  const settleMs = settleMsOf(memory, ground);
  // A hold is all that keeps its device from the next pod: it begins to end, and ends, only on a yes of the API. In between that need not be asked.
  const { kind: account } = accountingOf(ground, accountedNames(memory));
  for (const [address, hold] of holds) {
    if (held.has(address)) continue;
    if (isClaimHidden(hold, ground)) continue;
    if (isStillShown(hold, ground)) {
      holds.set(address, { ...hold, freeSinceMs: null });
      continue;
    }
    const isShown = believed && (account === "Accounted" || account === "NotAsked") && !isHiddenOnHost(ground.functions.get(address));
    const freeSinceMs = isShown ? (hold.freeSinceMs ?? (account === "Accounted" ? view.nowMs : null)) : null;
    if (freeSinceMs !== null && account === "Accounted" && view.nowMs - freeSinceMs >= settleMs) holds.delete(address);
    else holds.set(address, { ...hold, freeSinceMs });
  }
  return holds;
}

/** Its claim's file was not looked at, or cannot be read, or is about to be written. */
function isClaimHidden({ claim }: Hold, { view: { dra } }: Ground): boolean {
  return claim !== null && (dra === null || dra.files.unreadable.length > 0 || dra.plugin.inCalls.includes(claim));
}

/** Handed out in another span of trust than the unit's present one, or it is not known in which. */
function isStale(memory: Pick<HoldMemory, "lastUnits">, ground: Ground, address: Address, hold: Hold): boolean {
  const regBase = memory.lastUnits.get(address);
  const epoch = regBase === undefined ? null : (ground.units.get(regBase)?.epoch ?? null);
  return hold.epoch === null || hold.epoch !== epoch;
}

/** True when a hold of another epoch withholds its device, shown by a view or not. */
export function isAnyHoldStale(memory: Pick<HoldMemory, "holds" | "lastUnits">, ground: Ground): boolean {
  return [...memory.holds].some(([address, hold]) => isStale(memory, ground, address, hold));
}

/** True when a hold that no view shows can begin to end, or end, with a yes of the API's pods. */
export function waitsForPods(memory: HoldMemory, ground: Ground): boolean {
  if (memory.holds.size === 0 || !canShowFree(memory, ground)) return false;
  const { nowMs } = ground.view;
  const settleMs = settleMsOf(memory, ground);
  const held = heldNow(ground);
  return [...memory.holds].some(([address, { freeSinceMs }]) => !held.has(address) && (freeSinceMs === null || nowMs - freeSinceMs >= settleMs));
}
