// SPDX-License-Identifier: Apache-2.0

/** What the world's tests are told from outside. */
export interface WorldEnvironment {
  /** One history to run again: `WORLD_SEED=4711`. */
  readonly seed: number | null;
  /** How many histories the test runs: `WORLD_HISTORIES=2000`. */
  readonly histories: number | null;
  /** Parts of the world to switch on: `WORLD_WITH=freezes`; see capabilities.ts. */
  readonly capabilities: readonly string[];
}

export function worldEnvironment(): WorldEnvironment {
  const { WORLD_SEED, WORLD_HISTORIES, WORLD_WITH } = process.env;
  return {
    seed: numberOf("WORLD_SEED", WORLD_SEED),
    histories: numberOf("WORLD_HISTORIES", WORLD_HISTORIES),
    capabilities: (WORLD_WITH ?? "").split(",").filter((name) => name !== ""),
  };
}

function numberOf(name: string, text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} is "${text}": write a whole number`);
  return value;
}
