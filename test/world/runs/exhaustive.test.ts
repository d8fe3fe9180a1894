// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { ALPHABET, exhaust } from "./exhaustive.ts";

/** Deeper is a matter of time, each letter about ten times as much: `node test/world/runs/soak.ts --depth 6`. */
const CASES = [
  { depth: 3, isCalmed: true },
  { depth: 4, isCalmed: false },
];

test.each(CASES)("every history of $depth steps of one unit with two devices keeps the invariants (comes to rest: $isCalmed)", async (what) => {
  const { histories, states, broken } = await exhaust(what);
  console.log(`${histories} histories of ${what.depth} steps over ${ALPHABET.length} letters, ${states.size} different states`);
  expect(broken.slice(0, 3)).toEqual([]);
  expect(states.size).toBeGreaterThan(50);
});
