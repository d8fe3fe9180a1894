// SPDX-License-Identifier: Apache-2.0

/**
 * CDI specs as they are in place. A container runtime resolves a CDI name when it makes a sandbox and asks no plugin, so a spec is as much of an offer
 * as an entry in kubelet's list: it is there for devices whose gate is open, and for no other.
 */
import type { Address } from "./device.ts";
import type { SpecProof } from "./proofs.ts";
import type { BelowTest, Use } from "./use.ts";

export interface SpecsInPlace {
  /** Specs are written on this node at all. */
  readonly isServed: boolean;
  /** Why the last attempt to make the files as they should be failed; empty when it did not. */
  readonly problem: string;
  /** By CDI name, `resource=address`: the node that the spec gives and the epoch for which it was written. */
  readonly proven: ReadonlyMap<string, SpecProof>;
  /** CDI names that should be gone and could not be removed. */
  readonly stale: ReadonlySet<string>;
  /** Files of ours that can be neither removed nor read: each may name any device. */
  readonly unreadable: readonly string[];
}

export const NO_SPECS: SpecsInPlace = { isServed: false, problem: "", proven: new Map(), stale: new Set(), unreadable: [] };

/** The fully qualified CDI name of a device: kind = resource, name = address. */
export function specName(resource: string, address: Address): string {
  return `${resource}=${address}`;
}

/** The resource in a CDI name. */
export function resourceOfSpec(name: string): string {
  return name.slice(0, name.lastIndexOf("="));
}

/** The address in a CDI name, `teeio.dev/gpu=0000:17:00.0`. */
export function addressOfSpec(name: string): Address {
  return name.slice(name.lastIndexOf("=") + 1);
}

/** Devices that a spec names. */
export function specsOf({ proven, stale }: SpecsInPlace): readonly Address[] {
  return [...new Set([...proven.keys(), ...stale].map(addressOfSpec))];
}

/** Specs that cannot be removed: what they name may be opened at any time. */
export function specUses({ stale, unreadable }: SpecsInPlace, isBelow: BelowTest): readonly Use[] {
  const named = [...stale].filter((name) => isBelow(addressOfSpec(name), true));
  return [
    ...named.map((name): Use => ({ address: addressOfSpec(name), kind: "Spec", by: `a CDI spec that cannot be removed (${name})` })),
    ...unreadable.map((file): Use => ({ address: null, kind: "Spec", by: `a CDI spec that can be neither removed nor read (${file})` })),
  ];
}
