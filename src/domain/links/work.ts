// SPDX-License-Identifier: Apache-2.0

/** What must be known over time to secure, repair and release links. Of this process: nothing of it outlives it, and the next one observes. Pure. */
import type { Address } from "../device.ts";
import type { Ground } from "../ground.ts";
import type { Slot } from "../slot.ts";
import { isForgotten, kindOf, type LinkFailure, type LinkWriteEnd, textOf } from "./error.ts";

export type LinkWriteKind = "Connect" | "Disconnect";

/** A write of this process that has begun and has not ended. The kernel has one lock for all links, so there is one at a time. */
export interface LinkWriting {
  readonly owner: Address;
  readonly kind: LinkWriteKind;
  readonly sinceMs: number;
}

export interface LinkWork {
  readonly writing: LinkWriting | null;
  /** By owner of the slot, as everything below. */
  readonly failures: ReadonlyMap<Address, LinkFailure>;
  /** When links were disconnected to be repaired, within the last minute (monotonic ms). */
  readonly repairs: ReadonlyMap<Address, readonly number[]>;
  /** Of every slot but bridges whose link is not known to be insecure: since when the registers of both ends have read the same. */
  readonly steady: ReadonlyMap<Address, { readonly registers: string | null; readonly sinceMs: number }>;
  /** Since when every view has shown each function of the slot free. */
  readonly freeSince: ReadonlyMap<Address, number>;
  /** Connected by this process, and not read since. */
  readonly unread: ReadonlySet<Address>;
  /** What stands between a slot and its repair, as the last pass found it. */
  readonly blocked: ReadonlyMap<Address, string>;
}

export const NO_LINK_WORK: LinkWork = {
  writing: null,
  failures: new Map(),
  repairs: new Map(),
  steady: new Map(),
  freeSince: new Map(),
  unread: new Set(),
  blocked: new Map(),
};

const REPAIRS_KEPT_MS = 60_000;

export function noteWriteBegins(work: LinkWork, writing: LinkWriting): LinkWork {
  return { ...work, writing };
}

/** `isRepair`: a disconnect after which the link is to be secured again. */
export interface LinkWriteEnded {
  readonly end: LinkWriteEnd;
  readonly isRepair: boolean;
  readonly nowMs: number;
}

export function noteWriteEnds(work: LinkWork, { end, isRepair, nowMs }: LinkWriteEnded): LinkWork {
  const { writing } = work;
  if (writing === null) return work;
  const { owner } = writing;
  const failures = new Map(work.failures);
  const unread = new Set(work.unread);
  unread.delete(owner);
  // What it has come to is what is read next.
  if (end.kind === "Written" && writing.kind === "Connect") unread.add(owner);
  if (end.kind !== "Written" && kindOf(end) !== "Observe") {
    // Nobody proves anything when a link is released.
    const kind = writing.kind === "Connect" || kindOf(end) !== "Authentication" ? kindOf(end) : "Other";
    failures.set(owner, { kind, problem: textOf(end), count: (failures.get(owner)?.count ?? 0) + 1, lastMs: nowMs });
  }
  const repairs = isRepair ? new Map(work.repairs).set(owner, [...recent(work.repairs.get(owner), nowMs), nowMs]) : work.repairs;
  const freeSince = new Map(work.freeSince);
  freeSince.delete(owner);
  return { ...work, writing: null, failures, unread, repairs, freeSince };
}

function recent(times: readonly number[] | undefined, nowMs: number): readonly number[] {
  return (times ?? []).filter((ms) => nowMs - ms < REPAIRS_KEPT_MS);
}

/** How often the slot was repaired within the last minute, and when the oldest of these is a minute old. */
export function repairsOf({ repairs }: LinkWork, owner: Address, nowMs: number): { readonly count: number; readonly fewerAtMs: number } {
  const times = recent(repairs.get(owner), nowMs);
  return { count: times.length, fewerAtMs: (times[0] ?? nowMs) + REPAIRS_KEPT_MS };
}

/** After a plan: which repairs are in somebody's way. */
export function noteBlocked(work: LinkWork, verdicts: readonly { readonly owner: Address; readonly blocked: string }[]): LinkWork {
  const blocked = new Map(verdicts.flatMap(({ owner, blocked: by }) => (by === "" ? [] : [[owner, by] as const])));
  return blocked.size === 0 && work.blocked.size === 0 ? work : { ...work, blocked };
}

/** After one more look at the host. `isWanted`, `isFree`: of a slot, in this look. */
export function linkWorkAfterLook(
  work: LinkWork,
  ground: Ground,
  { isWanted, isFree }: { readonly isWanted: (owner: Address) => boolean; readonly isFree: (owner: Address) => boolean },
): LinkWork {
  const { view, slots } = ground;
  // What no view shows counts from anew.
  if (view.host.kind !== "Read") return { ...work, freeSince: new Map(), steady: new Map() };
  const steady = new Map<Address, { registers: string | null; sinceMs: number }>();
  const freeSince = new Map<Address, number>();
  for (const { owner, port, link, linkRead } of slots.values()) {
    if (port !== null || link.state === "Insecure") continue;
    const before = work.steady.get(owner);
    steady.set(owner, before?.registers === linkRead.registers ? before : { registers: linkRead.registers, sinceMs: view.nowMs });
    if (isFree(owner)) freeSince.set(owner, work.freeSince.get(owner) ?? view.nowMs);
  }
  const { failures, unread } = judgedAfterLook(work, ground, isWanted);
  const repairs = new Map([...work.repairs].filter(([, times]) => recent(times, view.nowMs).length > 0));
  return { ...work, steady, freeSince, failures, unread, repairs };
}

const NOT_SECURE = "a TSM is connected, and no stream of it is secure at both ends";

/**
 * A link that reads secure with the device itself has no failures any more. One that was connected and does not is a failure: connecting it again and again
 * helps nobody. Who manages the security of a device shows only while it is connected, and is forgotten when its link is released.
 */
function judgedAfterLook(
  work: LinkWork,
  { view: { nowMs }, slots }: Ground,
  isWanted: (owner: Address) => boolean,
): Pick<LinkWork, "failures" | "unread"> {
  const failures = new Map([...work.failures].filter(([owner, failure]) => isWanted(owner) || !isForgotten(failure, nowMs)));
  const unread = new Set(work.unread);
  for (const slot of slots.values()) {
    const { owner, link, linkRead } = slot;
    if (linkRead.tsm !== "Read" || link.streamSecure === "Unknown") continue;
    const problem = problemOf(slot);
    if (link.streamSecure === "Yes" && problem === "") failures.delete(owner);
    else if (unread.has(owner) && link.state === "Secure")
      failures.set(owner, { kind: "Other", problem, count: (failures.get(owner)?.count ?? 0) + 1, lastMs: nowMs });
    unread.delete(owner);
  }
  return { failures, unread };
}

/** Of a slot that is connected. */
function problemOf({ owner, link, dsm }: Slot): string {
  if (link.streamSecure !== "Yes") return NOT_SECURE;
  return dsm === "" || dsm === owner ? "" : `tsm/dsm is ${dsm}: its security is managed by another function`;
}
