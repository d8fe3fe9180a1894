// SPDX-License-Identifier: Apache-2.0
import { compareAddress } from "./address.ts";
import type { Address, PciFunction } from "./device.ts";
import type { Ground } from "./ground.ts";
import type { Intent, Match, ResourceRule } from "./intent.ts";

/** The first resource whose match takes the function; null when none does. */
export function resourceFor(intent: Intent, fn: Omit<PciFunction, "holders" | "binding">): ResourceRule | null {
  return intent.resources.find((rule) => matches(rule.match, fn)) ?? null;
}

/** Each list that is present and not empty must contain the function's value. An empty match takes nothing. */
export function matches(match: Match, fn: Omit<PciFunction, "holders" | "binding">): boolean {
  const tests: readonly (boolean | null)[] = [
    within(match.vendors, (vendor) => vendor === fn.vendor),
    within(match.devices, (device) => device === fn.device),
    within(match.classes, (prefix) => fn.class.startsWith(prefix)),
    within(match.addresses, (address) => address === fn.address),
    within(match.functions, (type) => type === fn.functionType),
  ];
  const present = tests.filter((test) => test !== null);
  return present.length > 0 && present.every(Boolean);
}

/** Addresses that the intent names and no function on the bus has, in order. Empty while the host cannot be read. */
export function absentAddresses(intent: Intent | null, ground: Ground): readonly Address[] {
  if (ground.view.host.kind !== "Read") return [];
  const named = new Set((intent?.resources ?? []).flatMap((rule) => rule.match.addresses ?? []));
  return [...named].filter((address) => !ground.functions.has(address)).sort(compareAddress);
}

function within<T>(list: readonly T[] | undefined, test: (item: T) => boolean): boolean | null {
  return list === undefined || list.length === 0 ? null : list.some(test);
}
