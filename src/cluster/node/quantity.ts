// SPDX-License-Identifier: Apache-2.0

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * A resource.Quantity (apimachinery) that is a whole number, as those of extended resources have to be; null for anything else. Exact up to 2^53: more
 * of a device no node has.
 */
export function wholeQuantity(value: unknown): number | null {
  const parts = /^([0-9]+)(?:[eE]([0-9]{1,2}))?([A-Za-z]{0,2})$/.exec(
    typeof value === "number" ? String(value) : typeof value === "string" ? value : "",
  );
  const factor = SUFFIXES[parts?.[3] ?? ""];
  if (parts === null || factor === undefined) return null;
  return Number(parts[1]) * 10 ** Number(parts[2] ?? 0) * factor;
}
