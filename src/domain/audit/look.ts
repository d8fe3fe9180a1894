// SPDX-License-Identifier: Apache-2.0

/** One more look at the node, as the events that it tells of: those of a first look say what was found. Pure. */
import type { Address } from "../device.ts";
import { claimedDevices } from "../dra/holds.ts";
import type { Ground } from "../ground.ts";
import type { Hold } from "../holds.ts";
import { unseenMs } from "../kubelet-settling.ts";
import { type AuditEvent, type AuditEventName, auditEvent } from "./event.ts";
import { checkedEvents, linkEvents } from "./links.ts";
import { aboutDevice, type Look, NOTHING_SEEN, placesAfter, type Seen } from "./seen.ts";
import { unitEvents } from "./units.ts";

export interface LookTold {
  readonly events: readonly AuditEvent[];
  readonly seen: Seen;
}

/** The first look of a process is told from `NOTHING_SEEN`. */
export function tellLook(before: Seen, look: Look): LookTold {
  const { host } = look.ground.view;
  const boot = (host.kind === "Read" ? host.value.bootId : null) ?? before.boot;
  const units = unitEvents(before, look);
  const placed: Seen = { ...before, boot, ...units.now, places: placesAfter(before.places, look) };
  const checked = checkedEvents(placed, look);
  const held = heldEvents(placed, look, before === NOTHING_SEEN);
  const links = linkEvents(placed, look);
  // Of one look nobody knows the order: what ended is told before what began, and whoever has a device before its link.
  const all = [...units.events, ...checked.events, ...held.events, ...links.events];
  const events = ORDER.flatMap((group) => all.filter(({ event }) => group.has(event)));
  return { events, seen: { ...placed, ...checked.told, held: held.held, ...links.now } };
}

const ORDER: readonly ReadonlySet<AuditEventName>[] = [
  new Set(["UnitLost", "UnitSetUp", "UnitFoundTrusted"]),
  new Set(["LinkChecked"]),
  new Set(["DeviceFree"]),
  new Set(["LinkReleased", "LinkGone"]),
  new Set(["UnitCleared"]),
  new Set(["DeviceFoundHeld", "DeviceAllocated"]),
  new Set(["LinkSecured", "LinkFoundSecured", "LinkBroken"]),
];

function heldEvents(seen: Seen, look: Look, isFirst: boolean): { readonly events: readonly AuditEvent[]; readonly held: Seen["held"] } {
  const { holds } = look.memory;
  const held = new Set(seen.held);
  const events: AuditEvent[] = [];
  const claimed = claimedDevices(look.ground.view);
  for (const address of seen.held) {
    if (claimed.has(address) || !isFree(holds.get(address), { seen, look, address })) continue;
    held.delete(address);
    events.push(auditEvent("DeviceFree", "other", aboutDevice(seen, address)));
  }
  for (const [address, hold] of holds) {
    if (seen.held.has(address) || claimed.has(address) || isFree(hold, { seen, look, address }) || !(isFirst || isShownHeld(address, look.ground)))
      continue;
    held.add(address);
    events.push(auditEvent("DeviceFoundHeld", "other", { ...aboutDevice(seen, address), detail: whoHas(hold) }));
  }
  for (const [address, claim] of claimed) {
    if (held.has(address)) continue;
    held.add(address);
    // What was allocated before this process looked may have been so before its unit was set up.
    events.push(auditEvent(isFirst ? "DeviceFoundHeld" : "DeviceAllocated", "other", { ...aboutDevice(seen, address), detail: claim }));
  }
  return { events, held: events.length === 0 ? seen.held : held };
}

/** Every view shows it free, and no answer of this process is so young that they could not show its device held. */
function isFree(hold: Hold | undefined, { seen, look, address }: { readonly seen: Seen; readonly look: Look; readonly address: Address }): boolean {
  if (hold === undefined) return true;
  const { view } = look.ground;
  const givenMs = seen.given.get(address) ?? Number.NEGATIVE_INFINITY;
  return hold.freeSinceMs !== null && view.nowMs - givenMs >= unseenMs(look.memory.settleMs, view.podResources);
}

/** A view shows it: that it cannot be seen to be free is no news. */
function isShownHeld(address: Address, { inPods, functions }: Ground): boolean {
  const fn = functions.get(address);
  const isOpen = fn?.holders.kind === "Known" && fn.holders.pids.length > 0;
  return isOpen || fn?.bound === "Yes" || inPods.some((one) => one.address === address);
}

function whoHas({ pod, resource }: Hold): string {
  return pod === "" ? (resource ?? "") : `pod ${pod}`;
}
