// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { exhaust, THEATRES } from "./exhaustive.ts";

/** Deeper is a matter of time, each letter about ten times as much: `node test/world/runs/soak.ts --depth 6`. */
const CASES = THEATRES.flatMap((theatre) => [
  { ...theatre, depth: theatre.depth - 1, isCalmed: true },
  { ...theatre, isCalmed: false },
]);

test.each(CASES)("every history of $depth steps of $name keeps the invariants (comes to rest: $isCalmed)", async (what) => {
  const { histories, states, broken } = await exhaust(what);
  console.log(`${histories} histories of ${what.depth} steps over ${what.alphabet.length} letters, ${states.size} different states`);
  expect(broken.slice(0, 3)).toEqual([]);
  expect(states.size).toBeGreaterThan(what.depth < 3 ? 40 : 50);
});
