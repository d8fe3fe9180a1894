// SPDX-License-Identifier: Apache-2.0

/** Names of links for people: a link is released at the device on it, never at a port. Pure. */
import type { Address } from "./device.ts";
import type { Slot } from "./slot.ts";

/**
 * What a person has to release so that none of `slots` has a link any more: function 0 of each device, which is where `tsm/disconnect` is. A port is
 * named by the devices behind it; by itself only when none is on the bus.
 */
export function releasable(slots: readonly Slot[], onBus: Iterable<Slot>): readonly string[] {
  const named = new Set<string>(slots.filter(({ port }) => port !== "FarEnd").map(({ owner }) => owner));
  const ports = slots.filter(({ port }) => port === "FarEnd");
  if (ports.length === 0) return [...named];
  const devices = [...onBus].filter(({ port, link }) => port === null || (port === "Upstream" && link.state !== "Insecure"));
  for (const port of ports) {
    const owners = devices.filter(({ rootPort }) => rootPort === port.owner).map(({ owner }) => owner);
    if (owners.length === 0 && isRootPort(port)) named.add(`the device behind root port ${port.owner}, which is not on the bus`);
    if (!owners.some((owner) => named.has(owner))) for (const owner of owners) named.add(owner);
  }
  // A switch port's link is its device's or its root port's: it is named only when nothing else is.
  if (named.size === 0) for (const port of ports) named.add(`the device below port ${port.owner}`);
  return [...named];
}

/** Nothing that could be released is known at the device. */
function isWithoutTsm({ link, linkRead }: Pick<Slot, "link" | "linkRead">): boolean {
  return link.tsm === "" && linkRead.tsm === "Read";
}

/** A stream of the device is on, and no TSM is connected to it: no kernel can end what it does not know of. */
export function isStreamOfNobody(slot: Pick<Slot, "port" | "link" | "linkRead">): boolean {
  return slot.port !== "FarEnd" && slot.link.state === "Secure" && isWithoutTsm(slot);
}

/** `releasable`, and of each whether there is anything to release. */
export function releasableText(slots: readonly Slot[], onBus: ReadonlyMap<Address, Slot>): readonly string[] {
  return releasable(slots, onBus.values()).map((name) => {
    const slot = onBus.get(name);
    return slot !== undefined && isWithoutTsm(slot) ? `${name} (no TSM is connected to it)` : name;
  });
}

/** What can be done about such a stream. A reset of the device ends its own half alone. */
export const END_STREAM = "no TSM is connected to it: let the program that made its IDE stream end it, else reboot the host";

/** Nothing is above it but its host bridge. */
function isRootPort({ rootPort }: Slot): boolean {
  return rootPort === null;
}

/** At most three of them, in the order given: a text that is bounded, and the same for the same names. */
export function atMostThree(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
