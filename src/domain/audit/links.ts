// SPDX-License-Identifier: Apache-2.0

/** Links: what one more look says of them that was not so before. Pure. */
import type { Address } from "../device.ts";
import { resourceFor } from "../selector.ts";
import type { Slot } from "../slot.ts";
import { type AuditEvent, auditEvent } from "./event.ts";
import { aboutLink, type Look, type Seen, type SeenLink } from "./seen.ts";

/** Null: this look has read nothing new of it. */
function linkSeen({ link, linkRead }: Slot): SeenLink | null {
  if (linkRead.tsm !== "Read" || link.state === "Unknown") return null;
  if (link.state === "Insecure") return "Off";
  return link.streamSecure === "No" ? "Broken" : "Secure";
}

export interface LinksTold {
  readonly events: readonly AuditEvent[];
  readonly now: Pick<Seen, "links" | "writes" | "linksMs">;
}

/** `seen`: with the units and places of this look. */
export function linkEvents(seen: Seen, { ground }: Look): LinksTold {
  const { view, slots } = ground;
  const { linksMs, linkMs } = seen;
  if (view.host.kind !== "Read" || view.nowMs < linksMs) return { events: [], now: { links: seen.links, writes: seen.writes, linksMs } };
  const links = new Map<Address, SeenLink>();
  const writes = new Map(seen.writes);
  const events: AuditEvent[] = [];
  for (const slot of slots.values()) {
    const before = seen.links.get(slot.owner);
    const isLate = view.nowMs < (linkMs.get(slot.owner) ?? Number.NEGATIVE_INFINITY);
    const now = (isLate ? null : linkSeen(slot)) ?? before;
    if (slot.port === "FarEnd" || now === undefined) continue;
    links.set(slot.owner, now);
    if (now === (before ?? "Off")) continue;
    events.push(linkEvent(seen, slot.owner, now));
    if (now !== "Broken") writes.delete(slot.owner);
  }
  for (const [owner, before] of seen.links)
    if (before !== "Off" && !links.has(owner)) events.push(auditEvent("LinkGone", "other", aboutLink(seen, owner)));
  return { events, now: { links, writes, linksMs: view.nowMs } };
}

/** One slot that was read by itself, at `nowMs` at the latest. */
export function tellSlot(seen: Seen, slot: Slot, nowMs: number): { readonly events: readonly AuditEvent[]; readonly seen: Seen } {
  const { owner } = slot;
  const now = linkSeen(slot);
  if (now === null || now === (seen.links.get(owner) ?? "Off")) return { events: [], seen };
  const writes = new Map(seen.writes);
  if (now !== "Broken") writes.delete(owner);
  const told = { links: new Map(seen.links).set(owner, now), linkMs: new Map(seen.linkMs).set(owner, nowMs), writes };
  return { events: [linkEvent(seen, owner, now)], seen: { ...seen, ...told } };
}

function linkEvent(seen: Seen, owner: Address, now: SeenLink): AuditEvent {
  const about = aboutLink(seen, owner);
  const write = seen.writes.get(owner);
  if (now === "Broken") return auditEvent("LinkBroken", "other", about);
  if (now === "Off") return auditEvent("LinkReleased", write === "Disconnect" ? "agent" : "other", about);
  return write === "Connect" ? auditEvent("LinkSecured", "agent", about) : auditEvent("LinkFoundSecured", "other", about);
}

export interface CheckedNews {
  readonly events: readonly AuditEvent[];
  readonly told: Pick<Seen, "checked" | "compared">;
}

/** Links of slots with a function that a resource takes, read insecure after SETUP: each once for each span of trust. */
export function checkedEvents(seen: Seen, { intent, ground, memory: { checkedLinks } }: Look): CheckedNews {
  const { checked, compared } = seen;
  if (intent === null || (compared?.links === checkedLinks && compared.intent === intent)) return { events: [], told: { checked, compared } };
  const isTaken = (owner: Address): boolean => (ground.onSlot.get(owner) ?? []).some((fn) => resourceFor(intent, fn) !== null);
  const fresh = [...checkedLinks].filter((key) => !checked.has(key) && isTaken(ownerIn(key)));
  // Of spans that are over, nothing is told again.
  const left = [...checked].filter((key) => checkedLinks.has(key));
  const events = fresh.map((key) =>
    auditEvent("LinkChecked", "agent", { ...aboutLink(seen, ownerIn(key)), epoch: key.slice(ownerIn(key).length + 1) }),
  );
  return { events, told: { checked: new Set([...left, ...fresh]), compared: { links: checkedLinks, intent } } };
}

/** `proofs.ts` linkKey. */
function ownerIn(key: string): Address {
  return key.slice(0, key.indexOf(" "));
}
