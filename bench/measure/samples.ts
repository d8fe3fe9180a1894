// SPDX-License-Identifier: Apache-2.0

/** Milliseconds on a monotonic clock. */
export function nowMs(): number {
  return performance.now();
}

/**
 * The smallest sample that at least `share` of all are not above (nearest rank; no interpolation, so it is a value that was measured).
 * @param share between 0 and 1
 */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length)));
  const found = sorted[rank - 1];
  if (found === undefined) throw new Error("nothing was measured");
  return found;
}

export interface Spread {
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

export function spreadOf(samples: readonly number[]): Spread {
  return {
    min: percentile(samples, 0),
    p50: percentile(samples, 0.5),
    p99: percentile(samples, 0.99),
    max: percentile(samples, 1),
    count: samples.length,
  };
}

/** Runs `work` over and over, one after the other; milliseconds of each run. */
export async function timeEach(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const beganMs = nowMs();
    await work();
    samples.push(nowMs() - beganMs);
  }
  return samples;
}

export interface Crowd {
  readonly samples: readonly number[];
  readonly perSecond: number;
}

/** `atOnce` callers, each calling again as soon as it was answered, until `count` calls were answered. */
export async function timeCrowd(atOnce: number, count: number, work: () => Promise<unknown>): Promise<Crowd> {
  const beganMs = nowMs();
  const shares = await Promise.all(Array.from({ length: atOnce }, () => timeEach(Math.ceil(count / atOnce), work)));
  const samples = shares.flat();
  return { samples, perSecond: (samples.length / (nowMs() - beganMs)) * 1000 };
}
