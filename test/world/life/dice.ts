// SPDX-License-Identifier: Apache-2.0

/** Random choices that repeat from a seed. */
export interface Dice {
  /** In [0, 1). */
  random(): number;
  /** In [0, bound), whole. */
  below(bound: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
}

/** The mulberry32 generator: small, quick, and good enough to choose steps with. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const below = (bound: number): number => Math.floor(random() * bound);
  return {
    random,
    below,
    chance: (probability) => random() < probability,
    pick: (choices) => {
      const picked = choices[below(choices.length)];
      if (picked === undefined) throw new Error("nothing to pick from");
      return picked;
    },
  };
}
