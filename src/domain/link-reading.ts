// SPDX-License-Identifier: Apache-2.0

/**
 * Which link a decision is made on when `tsm/*` could not be read. A read that fails proves nothing. One that blocks says only that some device of the
 * host is being connected or disconnected: then the last value stands, as long as it is of this process and epoch and no register of either end has
 * changed since. From the first that differs it is unknown until it is read again. Of a link that this process has been writing while it was read, the last
 * value stands whatever the registers read: they, and the files, may be of before and after at once.
 */
import type { Address, PciFunction, Tristate } from "./device.ts";
import { type Ground, slotOf, type UnitFact } from "./ground.ts";
import type { HostView } from "./host.ts";
import { bySlot, type FunctionInSlot, type LinkRead, type Slot, slotOwnerOf } from "./slot.ts";
import type { RegBase } from "./unit.ts";
import type { Reading } from "./view.ts";

/** The last whole reading of a slot's link. */
export interface LastLink extends Pick<Slot, "link" | "dsm" | "covers" | "streamsLeft" | "blocksLeft"> {
  readonly registers: string;
  /** `tsm/bound` of those of its functions of which it could be read. */
  readonly bound: ReadonlyMap<Address, Tristate>;
  /** Epoch of the unit above when it was read. */
  readonly epoch: string;
  /** When the look began that read it (monotonic ms). */
  readonly readMs: number;
}

/** By owner of the slot. */
export type LastLinks = ReadonlyMap<Address, LastLink>;

/** What a link is judged by besides its own reading. */
export interface LinkContext {
  readonly links: LastLinks;
  /** Null: the driver cannot be read, so nothing has an epoch. */
  readonly units: ReadonlyMap<RegBase, UnitFact> | null;
  /** Owner of the slot whose link this process is connecting or disconnecting; null: none. */
  readonly writing: Address | null;
}

/** The context of this moment. */
export function linkContextOf(
  memory: { readonly links: LastLinks; readonly linkWork: { readonly writing: { readonly owner: Address } | null } },
  units: LinkContext["units"],
): LinkContext {
  return { links: memory.links, units, writing: memory.linkWork.writing?.owner ?? null };
}

/** The function with the link to judge. The gate, the lists and kubelet's calls all ask here. */
export function toJudge({ fn, slot }: FunctionInSlot, context: LinkContext): FunctionInSlot {
  const last = standing(slot, [fn], context);
  return { fn: withBound(fn, last), slot: withLink(slot, last, context) };
}

/** The host with the links to judge. */
export function hostToJudge(host: Reading<HostView>, context: LinkContext): Reading<HostView> {
  if (host.kind !== "Read" || (context.writing === null && !isAnyBlocked(host.value))) return host;
  const members = bySlot(host.value.functions);
  const lasts = new Map(host.value.slots.map((slot) => [slot.owner, standing(slot, members.get(slot.owner) ?? [], context)]));
  const functions = host.value.functions.map((fn) => withBound(fn, lasts.get(slotOwnerOf(fn)) ?? null));
  const slots = host.value.slots.map((slot) => withLink(slot, lasts.get(slot.owner) ?? null, context));
  return { kind: "Read", value: { ...host.value, functions, slots } };
}

/**
 * The last links after one more look at the host. What did not stand once does not stand later, though its registers come back. Of two looks that overlap in
 * time the one that began later is the newer one, whichever ends last.
 */
export function linksAfterLook(before: LastLinks, { slots, onSlot: members, units, view }: Ground): LastLinks {
  if (view.host.kind !== "Read") return before;
  const links = new Map([...before].filter(([, { readMs }]) => readMs > view.nowMs));
  for (const { owner, link, dsm, covers, streamsLeft, blocksLeft, linkRead } of slots.values()) {
    const onSlot = members.get(owner) ?? [];
    const epoch = epochOf(onSlot, units);
    const last = before.get(owner);
    if (epoch === null || links.has(owner)) continue;
    if (last !== undefined && stoodIn(linkRead, last, epoch)) links.set(owner, { ...last, bound: boundOf(onSlot, last) });
    else if (linkRead.tsm === "Read" && linkRead.registers !== null)
      links.set(owner, {
        link,
        dsm,
        covers,
        streamsLeft,
        blocksLeft,
        registers: linkRead.registers,
        bound: boundOf(onSlot, last),
        epoch,
        readMs: view.nowMs,
      });
  }
  return links;
}

/** It stood in the look, or would have if what another look read meanwhile had been known to it. */
function stoodIn({ tsm, registers }: LinkRead, last: LastLink, epoch: string): boolean {
  return tsm === "Stands" || tsm === "Writing" || (tsm === "Blocked" && last.registers === registers && last.epoch === epoch);
}

/**
 * True when the link of a device cannot be told, or only by what was read before, and nothing announces the end of that. The end of a write of this
 * process is known to it: while it writes only what failed to be read counts, and not what blocks.
 */
export function isAnyLinkUnsure({ slots, functions }: Pick<Ground, "slots" | "functions">, isWriting: boolean): boolean {
  if (isWriting) return [...slots.values()].some(({ linkRead }) => linkRead.tsm === "Failed") || [...functions.values()].some(isUnread);
  const isUnsure = (fn: PciFunction): boolean => fn.boundRead !== "Read" || (fn.teeIo === "Yes" && slotOf({ slots }, fn)?.link.state === "Unknown");
  return [...slots.values()].some(({ linkRead }) => linkRead.tsm !== "Read") || [...functions.values()].some(isUnsure);
}

function isUnread({ boundRead, isIdeRead, teeIo }: PciFunction): boolean {
  return boundRead === "Failed" || (teeIo === "Yes" && !isIdeRead);
}

function isAnyBlocked({ functions, slots }: HostView): boolean {
  return (
    slots.some(({ linkRead }) => linkRead.tsm === "Blocked" || linkRead.tsm === "Writing") ||
    functions.some(({ boundRead }) => boundRead === "Blocked")
  );
}

/** What stands for the slot: of this process, of the epoch of the unit above, and with the registers that are read now. */
function standing(slot: Slot, onSlot: readonly PciFunction[], { links, units, writing }: LinkContext): Standing | null {
  const last = links.get(slot.owner);
  if (last === undefined || last.epoch !== epochOf(onSlot, units)) return null;
  // While this process changes the link its registers are on their way from one state to the other.
  if (isWritten(slot, writing)) return { ...last, isWriting: true };
  return last.registers === slot.linkRead.registers ? { ...last, isWriting: false } : null;
}

/** Now, or at some moment of its reading. */
function isWritten({ owner, linkRead }: Slot, writing: LinkContext["writing"]): boolean {
  return owner === writing || linkRead.tsm === "Writing";
}

interface Standing extends LastLink {
  readonly isWriting: boolean;
}

function withLink(slot: Slot, last: Standing | null, { writing }: LinkContext): Slot {
  // Whatever was read of it, it is on its way to something else.
  if (last === null && isWritten(slot, writing))
    return { ...slot, link: { ...slot.link, state: "Unknown", streamSecure: "Unknown" }, covers: [], linkRead: { ...slot.linkRead, tsm: "Blocked" } };
  if (last === null || (slot.linkRead.tsm !== "Blocked" && !last.isWriting)) return slot;
  const linkRead: LinkRead = { ...slot.linkRead, tsm: last.isWriting ? "Writing" : "Stands" };
  const { link, dsm, covers, streamsLeft, blocksLeft } = last;
  const stood = { ...slot, link, dsm, covers, linkRead };
  // The kernel has taken the stream of a link that is not secured yet. Nobody else can take one while this process writes.
  return writing === null ? stood : { ...stood, streamsLeft, blocksLeft };
}

/** It stands for the gate. For what frees something, a TDI may have been bound meanwhile. */
function withBound(fn: PciFunction, last: LastLink | null): PciFunction {
  const bound = last?.bound.get(fn.address);
  if (fn.boundRead !== "Blocked" || bound === undefined) return fn;
  return { ...fn, bound: bound === "Yes" ? "Yes" : "Unknown", boundRead: "Stands" };
}

function boundOf(onSlot: readonly PciFunction[], last: LastLink | undefined): LastLink["bound"] {
  const bound = new Map<Address, Tristate>();
  for (const { address, boundRead, bound: now } of onSlot) {
    const value = boundRead === "Read" ? now : boundRead === "Stands" ? last?.bound.get(address) : undefined;
    if (value !== undefined) bound.set(address, value);
  }
  return bound;
}

/** Of the unit above the devices of a slot; null when it has none, when they are below several, or when a unit has no epoch. */
function epochOf(onSlot: readonly PciFunction[], units: LinkContext["units"]): string | null {
  const devices = onSlot.filter(({ teeIo }) => teeIo === "Yes");
  const epochs = new Set(devices.map(({ unit }) => (unit.kind === "Unit" && units?.get(unit.regBase)?.epoch) || null));
  return epochs.size === 1 ? ([...epochs][0] ?? null) : null;
}
