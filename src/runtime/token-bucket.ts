// SPDX-License-Identifier: Apache-2.0

/** How often something may be done: `burst` times at once, then once in `everyMs`. Pure: the time is passed in. */
export interface Rate {
  readonly burst: number;
  readonly everyMs: number;
}

/** When the bucket is full again, if nothing more is taken (monotonic ms): whole numbers stay whole. */
export interface Bucket {
  readonly fullAtMs: number;
}

export const FULL_BUCKET: Bucket = { fullAtMs: Number.NEGATIVE_INFINITY };

/** Milliseconds until it may be done next; 0: now. */
export function waitMs({ fullAtMs }: Bucket, { burst, everyMs }: Rate, nowMs: number): number {
  return Math.max(0, fullAtMs - (burst - 1) * everyMs - nowMs);
}

/** The bucket after it was done, also when it was done out of turn: that leaves less for later, and never a debt. */
export function taken({ fullAtMs }: Bucket, { burst, everyMs }: Rate, nowMs: number): Bucket {
  return { fullAtMs: Math.min(Math.max(fullAtMs, nowMs) + everyMs, nowMs + burst * everyMs) };
}
