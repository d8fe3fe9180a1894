// SPDX-License-Identifier: Apache-2.0
import type { PciFunction } from "./device.ts";
import type { Intent, Match, ResourceRule } from "./intent.ts";

/** The first resource whose match takes the function; null when none does. */
export function resourceFor(intent: Intent, fn: PciFunction): ResourceRule | null {
  return intent.resources.find((rule) => matches(rule.match, fn)) ?? null;
}

/** Each list that is present and not empty must contain the function's value. An empty match takes nothing. */
export function matches(match: Match, fn: PciFunction): boolean {
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

function within<T>(list: readonly T[] | undefined, test: (item: T) => boolean): boolean | null {
  return list === undefined || list.length === 0 ? null : list.some(test);
}
