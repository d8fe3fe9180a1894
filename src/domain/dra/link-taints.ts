// SPDX-License-Identifier: Apache-2.0

/**
 * How long a device whose link could not be secured is kept from the next pod: a taint that begins with the failure, stays for ten minutes, and twice as
 * long after each failure that follows, up to six hours. What makes the next attempt another one ends it: the device was plugged in anew, another TSM,
 * another driver, another span of trust. Times are of the wall, because the slices of the API server are all that an agent finds of it after a restart. Pure.
 */
import type { Address } from "../device.ts";
import type { Ground } from "../ground.ts";
import { isFailed, type LinkFailure } from "../links/error.ts";
import type { LinkWork } from "../links/work.ts";
import { LINK_FAILED_TAINT } from "./names.ts";
import type { DeviceTaint } from "./pool.ts";
import { wholeSecond } from "./slice-spec.ts";

/** Under what it failed. Null: not known yet. */
interface Circumstances {
  readonly tsms: string | null;
  readonly driver: string | null;
  readonly epoch: string | null;
}

export interface LinkTaint {
  /** A word for why a device is withheld (reason.ts): `AuthenticationFailed`, `LinkFailed`. */
  readonly reason: string;
  /** When it began (wall, ms). */
  readonly sinceMs: number;
  /** Failures in a row; 0: it was lifted. */
  readonly count: number;
  /** `LinkFailure.lastMs` of the newest failure that it knows: an older one says nothing new. */
  readonly failureMs: number | null;
  readonly under: Circumstances | null;
}

/** By owner of the slot, as links are: all functions of it have the taint. */
export type LinkTaints = ReadonlyMap<Address, LinkTaint>;

const FIRST_MS = 600_000;
const LONGEST_MS = 6 * 3_600_000;

export interface LinkTaintInputs {
  readonly ground: Ground;
  readonly linkWork: Pick<LinkWork, "failures">;
  /** Of the wall. */
  readonly nowMs: number;
}

/** After one more look at the host. */
export function linkTaintsAfter(before: LinkTaints, { ground, linkWork, nowMs }: LinkTaintInputs): LinkTaints {
  if (ground.view.host.kind !== "Read") return before;
  const after = new Map<Address, LinkTaint>();
  for (const owner of new Set([...before.keys(), ...linkWork.failures.keys()])) {
    const slot = ground.slots.get(owner);
    // Off the bus: when it is back it is another device. A link that is secured has not failed.
    if (slot === undefined || (slot.linkRead.tsm === "Read" && slot.link.streamSecure === "Yes")) continue;
    const under = circumstancesOf(ground, owner);
    const known = before.get(owner);
    const next = afterFailure(
      known && afterChange({ ...known, sinceMs: Math.min(known.sinceMs, nowMs) }, under),
      linkWork.failures.get(owner),
      nowMs,
    );
    if (next !== null && nowMs < endOf(next) + LONGEST_MS) after.set(owner, { ...next, under: merged(under, next.under) });
  }
  return after;
}

function afterChange(known: LinkTaint, now: Circumstances): LinkTaint {
  const { under } = known;
  if (under === null) return known;
  const isOther = (a: string | null, b: string | null): boolean => a !== null && b !== null && a !== b;
  const isChanged = isOther(under.tsms, now.tsms) || isOther(under.driver, now.driver) || isOther(under.epoch, now.epoch);
  return isChanged ? { ...known, count: 0 } : known;
}

/** Failures while it stands make it no longer: a link that a pod goes on waiting for is tried every five minutes. */
function afterFailure(known: LinkTaint | undefined, failure: LinkFailure | undefined, nowMs: number): LinkTaint | null {
  if (!isFailed(failure) || (known?.failureMs != null && failure.lastMs <= known.failureMs)) return known ?? null;
  const reason = failure.kind === "Authentication" ? "AuthenticationFailed" : "LinkFailed";
  if (known !== undefined && isStanding(known, nowMs)) return { ...known, reason, failureMs: failure.lastMs };
  // In whole seconds, as slices have it: the next process begins with the same.
  return { reason, sinceMs: Math.floor(nowMs / 1_000) * 1_000, count: (known?.count ?? 0) + 1, failureMs: failure.lastMs, under: null };
}

function circumstancesOf({ slots, functions, onSlot, units }: Ground, owner: Address): Circumstances {
  const unit = (onSlot.get(owner) ?? []).map((fn) => fn.unit).find(({ kind }) => kind === "Unit");
  const epoch = unit?.kind === "Unit" ? (units.get(unit.regBase)?.epoch ?? null) : null;
  return { tsms: (slots.get(owner)?.tsms ?? []).join(" "), driver: functions.get(owner)?.driver ?? null, epoch };
}

/** What cannot be told now is as it was. */
function merged(now: Circumstances, before: Circumstances | null): Circumstances {
  return { tsms: now.tsms ?? before?.tsms ?? null, driver: now.driver ?? before?.driver ?? null, epoch: now.epoch ?? before?.epoch ?? null };
}

function staysMs(count: number): number {
  return count === 0 ? 0 : Math.min(FIRST_MS * 2 ** Math.min(count - 1, 16), LONGEST_MS);
}

function endOf({ sinceMs, count }: LinkTaint): number {
  return sinceMs + staysMs(count);
}

function isStanding(taint: LinkTaint, nowMs: number): boolean {
  return nowMs < endOf(taint);
}

/** The taint of every function of the slot; null when there is none now. */
export function linkTaintOf(taints: LinkTaints, owner: Address, nowMs: number): DeviceTaint | null {
  const taint = taints.get(owner);
  if (taint === undefined || !isStanding(taint, nowMs)) return null;
  return { key: LINK_FAILED_TAINT, value: taint.reason, effect: "NoSchedule", timeAdded: wholeSecond(new Date(taint.sinceMs).toISOString()) };
}

/** When the next one ends by itself (wall, ms); null: none does. */
export function nextLinkTaintEnd(taints: LinkTaints, nowMs: number): number | null {
  const ends = [...taints.values()].filter((taint) => isStanding(taint, nowMs)).map(endOf);
  return ends.length === 0 ? null : Math.min(...ends);
}

/** As few failures as are enough for a taint that has not ended yet at that age. */
export function leastFailures(ageMs: number): number {
  let count = 1;
  while (staysMs(count) <= ageMs && staysMs(count) < LONGEST_MS) count += 1;
  return count;
}
