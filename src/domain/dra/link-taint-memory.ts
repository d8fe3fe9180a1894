// SPDX-License-Identifier: Apache-2.0

/**
 * The taints of failed links as they are known over time. A process begins with those that it finds in slices of its own, once: what it has learnt itself
 * since then is newer. Until it has seen the slices it publishes none, or it would write over what it is to begin with. Pure.
 */
import type { Address } from "../device.ts";
import type { Ground } from "../ground.ts";
import type { Intent } from "../intent.ts";
import type { LinkWork } from "../links/work.ts";
import { functionZeroOf, slotOwnerOf } from "../slot.ts";
import { type LinkTaint, type LinkTaints, leastFailures, linkTaintOf, linkTaintsAfter } from "./link-taints.ts";
import { LINK_FAILED_TAINT } from "./names.ts";
import type { DeviceTaint } from "./pool.ts";
import type { ListedDevice } from "./view.ts";

export interface LinkTaintMemory {
  readonly known: LinkTaints;
  /** Those that stood at the last look, by owner of the slot; none while the spec asks for no links. */
  readonly standing: ReadonlyMap<Address, DeviceTaint>;
  /** Devices with such a taint in the slices when they were first seen; null: not seen yet. */
  readonly found: readonly ListedDevice[] | null;
  readonly isAdopted: boolean;
  /** Links that earlier processes of this boot have proved to be insecure after SETUP (proofs.ts `linkKey`): no other one can have failed. */
  readonly proven: ReadonlySet<string>;
  /** The newest of what it follows from. */
  readonly at: Moment;
}

/** The same moment by both clocks, ms. */
interface Moment {
  readonly nowMs: number;
  readonly wallMs: number;
}

export function linkTaintsOfStart(proven: ReadonlySet<string>): LinkTaintMemory {
  return { known: new Map(), standing: new Map(), found: null, isAdopted: false, proven, at: { nowMs: Number.NEGATIVE_INFINITY, wallMs: 0 } };
}

/** Of memory. */
interface Remembered {
  readonly linkTaints: LinkTaintMemory;
  readonly linkWork: LinkWork;
}

interface Look {
  readonly intent: Intent | null;
  readonly ground: Ground;
}

/** After one more look, or by the last one at a later moment. */
export function linkTaintsAfterLook({ linkTaints, linkWork }: Remembered, { intent, ground }: Look, moment: Moment = ground.view): Remembered {
  const { dra, host } = ground.view;
  const { isAdopted } = linkTaints;
  // A look that began before a write ended is not to date back what followed from the write.
  const at = moment.nowMs < linkTaints.at.nowMs ? linkTaints.at : { nowMs: moment.nowMs, wallMs: moment.wallMs };
  const nowMs = at.wallMs;
  const found = linkTaints.found ?? (dra?.slices.kind === "Read" ? dra.slices.value.listed.filter(hasFailed) : null);
  if (found === null || (host.kind !== "Read" && !isAdopted)) return { linkTaints: { ...linkTaints, found }, linkWork };
  const before = isAdopted ? linkTaints.known : adoptedLinkTaints(found, linkTaints.proven, { ground, nowMs });
  const known = linkTaintsAfter(before, { ground, linkWork, nowMs });
  const standing = intent?.link.enable === "OnPrepare" ? standingOf(known, nowMs) : new Map<Address, DeviceTaint>();
  return {
    linkTaints: { ...linkTaints, known, standing, found: [], isAdopted: true, at },
    linkWork: { ...linkWork, failures: failuresAfter(linkWork.failures, ground, { before, known }) },
  };
}

/** After a write of a link has ended (monotonic ms), by what the newest pass saw: the taint is there before anything is published that follows from a failure. */
export function linkTaintsAfterWrite(memory: Remembered, pass: Look | null, nowMs: number): Remembered {
  if (pass === null) return memory;
  const { view } = pass.ground;
  return linkTaintsAfterLook(memory, pass, { nowMs, wallMs: view.wallMs + nowMs - view.nowMs });
}

function hasFailed({ taints }: ListedDevice): boolean {
  return taints.some(({ key }) => key === LINK_FAILED_TAINT);
}

function standingOf(known: LinkTaints, nowMs: number): ReadonlyMap<Address, DeviceTaint> {
  const standing = new Map<Address, DeviceTaint>();
  for (const owner of known.keys()) {
    const taint = linkTaintOf(known, owner, nowMs);
    if (taint !== null) standing.set(owner, taint);
  }
  return standing;
}

/** What lifts a taint makes the next attempt another one: the failures before it say nothing any more. */
function failuresAfter(
  failures: LinkWork["failures"],
  { view, slots }: Ground,
  { before, known }: { readonly before: LinkTaints; readonly known: LinkTaints },
): LinkWork["failures"] {
  if (view.host.kind !== "Read") return failures;
  const isLifted = (owner: Address): boolean => known.get(owner)?.count === 0 && before.get(owner)?.count !== 0;
  return new Map([...failures].filter(([owner]) => slots.has(owner) && !isLifted(owner)));
}

/**
 * What the slices say after a restart. How many failures there were they do not say: as few as are enough for a taint that has not ended yet, so that it
 * ends, at the latest, when it is twice as old as now. Nor under what it was: the driver and the TSM of the first look are taken for those of then, and
 * the span of trust for the one in which the link was proved to be insecure. After a reboot, or without proofs, nothing is adopted.
 */
export function adoptedLinkTaints(
  found: readonly ListedDevice[],
  proven: ReadonlySet<string>,
  { ground: { functions }, nowMs }: { readonly ground: Pick<Ground, "functions">; readonly nowMs: number },
): LinkTaints {
  const epochs = new Map([...proven].map((key) => key.split(" ") as [owner: Address, epoch: string]));
  const adopted = new Map<Address, LinkTaint>();
  for (const { address, taints } of found) {
    const fn = functions.get(address);
    const owner = fn ? slotOwnerOf(fn) : functionZeroOf(address);
    const epoch = epochs.get(owner);
    for (const { value, timeAdded } of epoch === undefined ? [] : taints.filter(({ key }) => key === LINK_FAILED_TAINT)) {
      const sinceMs = Math.min(Date.parse(timeAdded) || nowMs, nowMs, adopted.get(owner)?.sinceMs ?? nowMs);
      const under = { tsms: null, driver: null, epoch: epoch ?? null };
      adopted.set(owner, { reason: value, sinceMs, count: leastFailures(nowMs - sinceMs), failureMs: null, under });
    }
  }
  return adopted;
}
