// SPDX-License-Identifier: Apache-2.0

/** How long to wait between attempts. Doubles from `minMs` up to `maxMs`; `jitter` is the share (0 to 1) of the delay that is random. */
export interface BackoffPolicy {
  readonly minMs: number;
  readonly maxMs: number;
  readonly jitter: number;
}

/** A number in [0, 1), like Math.random; passed in so that histories repeat from a seed. */
export type Random = () => number;

/** Doubling stops being exact beyond 2^52; no policy waits that long. */
const MAX_DOUBLINGS = 52;

/**
 * The delay before attempt `attempt` + 1, when `attempt` attempts have failed (1 after the first failure; 0 gives 0). Pure but for `random`.
 * The result lies in [delay × (1 - jitter), delay], so that it never exceeds `maxMs`.
 */
export function backoffDelayMs(policy: BackoffPolicy, attempt: number, random: Random): number {
  if (attempt <= 0) return 0;
  const delay = Math.min(policy.maxMs, policy.minMs * 2 ** Math.min(attempt - 1, MAX_DOUBLINGS));
  return delay * (1 - policy.jitter * random());
}

/** No randomness: the upper edge of the policy. For tests and for loops that are alone on their node. */
export const noJitter: Random = () => 0;
