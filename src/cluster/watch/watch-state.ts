// SPDX-License-Identifier: Apache-2.0
import { type BackoffPolicy, backoffDelayMs, type Random } from "../../runtime/backoff.ts";

/**
 * Where a watch stands: what to do next, from where, and after how many failures in a row. Pure; reflector.ts carries it out.
 *
 *   List ──Listed──► Watch ──Ended──► Watch ──Gone, Garbled, too many failures──► List
 */
export type WatchState =
  | { readonly next: "List"; readonly failures: number }
  | { readonly next: "Watch"; readonly resourceVersion: string; readonly failures: number };

export type WatchOutcome =
  | { readonly kind: "Listed"; readonly resourceVersion: string }
  /** An event or a bookmark arrived. */
  | { readonly kind: "Progress"; readonly resourceVersion: string }
  /** The server ended the stream in order, after `livedMs`. */
  | { readonly kind: "Ended"; readonly livedMs: number }
  /** 410, as HTTP status or in the stream: the resource version is too old. 404: what was watched is not there. */
  | { readonly kind: "Gone" }
  /** The stream held something that is no watch event: what was missed is unknown. */
  | { readonly kind: "Garbled" }
  /** No answer, a reset, silence, a refusal. */
  | { readonly kind: "Failed" };

/** Nothing is known yet. */
export const UNLISTED: WatchState = { next: "List", failures: 0 };

/** A stream that lives this long and ends in order was a good one; shorter ones count as failures, or a server that ends them at once is hammered. */
const GOOD_LIFE_MS = 5000;

/** After so many failures in a row the resource version itself is suspected. */
const SUSPECT_AFTER = 5;

/** Listing alone does not clear the failures: a watch that is refused after each list would otherwise be tried without pause. */
export function afterOutcome(state: WatchState, outcome: WatchOutcome): WatchState {
  const failed = state.failures + 1;
  switch (outcome.kind) {
    case "Listed":
      return { next: "Watch", resourceVersion: outcome.resourceVersion, failures: state.failures };
    case "Progress":
      return { next: "Watch", resourceVersion: outcome.resourceVersion, failures: 0 };
    case "Ended":
      return { ...state, failures: outcome.livedMs >= GOOD_LIFE_MS ? 0 : failed };
    case "Gone":
    case "Garbled":
      return { next: "List", failures: failed };
    case "Failed":
      return failed >= SUSPECT_AFTER ? { next: "List", failures: failed } : { ...state, failures: failed };
  }
}

/** 1 to 30 s, half of it random: a thousand agents do not come back at once. */
const BACKOFF: BackoffPolicy = { minMs: 1000, maxMs: 30_000, jitter: 0.5 };

/** How long to wait before the next step. A watch follows its list at once. */
export function delayBefore(state: WatchState, last: WatchOutcome["kind"], random: Random): number {
  return last === "Listed" ? 0 : backoffDelayMs(BACKOFF, state.failures, random);
}
