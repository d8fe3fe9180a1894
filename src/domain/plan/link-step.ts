// SPDX-License-Identifier: Apache-2.0

/** What the plan says of the link of one slot. */
import type { Address } from "../device.ts";

/** Keyed by the owner of the slot. */
export type LinkStep =
  | { readonly kind: "Connect"; readonly owner: Address; readonly tsm: string }
  /** `isRepair`: to be secured again afterwards. */
  | { readonly kind: "Disconnect"; readonly owner: Address; readonly tsm: string; readonly isRepair: boolean };

export interface LinkVerdict {
  readonly owner: Address;
  readonly step: LinkStep | null;
  /** Why nothing is done although something should be, for people; empty when nothing should. */
  readonly message: string;
  /** What stands between the link and its repair; empty when nothing does. */
  readonly blocked: string;
  /** Somebody wants the link, or it is secured: a reset of it must be noticed soon. */
  readonly isWatched: boolean;
  /** Monotonic ms at which time alone may change this verdict; null when only a change of the world can. */
  readonly wakeAtMs: number | null;
}
