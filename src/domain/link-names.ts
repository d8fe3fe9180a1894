// SPDX-License-Identifier: Apache-2.0

/** Names of links for people: a link belongs to an endpoint, and only there it can be released. Pure. */
import type { PciFunction } from "./device.ts";
import { linkOwnerOf, type Slot, slotsOf } from "./slot.ts";

/** Base class 06, sub-class 04: root ports and switch ports carry the other end of a link. */
const PCI_BRIDGE = "0604";

/**
 * What a person has to release so that none of `functions` has a link any more: function 0 of each endpoint's slot (of the physical function's, for
 * a virtual one), which is where `tsm/disconnect` is. A port is named by the endpoints behind it; by itself only when none is on the bus.
 */
export function releasable(functions: readonly PciFunction[], onBus: Iterable<PciFunction>): readonly string[] {
  const isPort = (fn: PciFunction): boolean => fn.class.startsWith(PCI_BRIDGE);
  const endpoints = functions.filter((fn) => !isPort(fn));
  const named = new Set<string>(endpoints.map(linkOwnerOf));
  const ports = functions.filter(isPort);
  if (ports.length === 0) return [...named];
  const slots = slotsOf([...onBus].filter((fn) => !isPort(fn)));
  for (const port of ports) {
    const owners = slots.filter((slot) => isBehind(slot, port)).map(({ owner }) => owner);
    if (owners.length === 0 && isRootPort(port)) named.add(`the device behind root port ${port.address}, which is not on the bus`);
    if (!owners.some((owner) => named.has(owner))) for (const owner of owners) named.add(owner);
  }
  // A switch port's link is its device's or its root port's: it is named only when nothing else is.
  if (named.size === 0) for (const port of ports) named.add(`the device below port ${port.address}`);
  return [...named];
}

/** Nothing is above it but its host bridge. */
function isRootPort(port: PciFunction): boolean {
  return port.rootPort === null;
}

function isBehind({ rootPort }: Slot, port: PciFunction): boolean {
  return rootPort === port.address;
}

/** At most three of them, in the order given: a text that is bounded, and the same for the same names. */
export function atMostThree(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
