// SPDX-License-Identifier: Apache-2.0

/** A ledger: one way in which Kubernetes is told of devices and gives them to pods. The gate is the same for all; each device is in one ledger. */
import type { OfferedResource } from "../../domain/offer.ts";
import type { Publication } from "../../domain/view.ts";

export interface Ledger {
  /** Lists exactly `offer`. */
  list(offer: readonly OfferedResource[]): void;
  /** Takes away what `offer` does not have; adds nothing. */
  withdraw(offer: readonly OfferedResource[]): void;
  /** What it has handed out and what it is being asked for now: evidence for CLEAR. */
  held(): readonly Publication[];
  /** Ends it: nothing is listed any more. Repeatable. */
  close(): Promise<void>;
}
