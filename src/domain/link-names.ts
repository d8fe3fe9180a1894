// SPDX-License-Identifier: Apache-2.0

/** Names of links for people: a link is released at the device on it, never at a port. Pure. */
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

/** Nothing is above it but its host bridge. */
function isRootPort({ rootPort }: Slot): boolean {
  return rootPort === null;
}

/** At most three of them, in the order given: a text that is bounded, and the same for the same names. */
export function atMostThree(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
