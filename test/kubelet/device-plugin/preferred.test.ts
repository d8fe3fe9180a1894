// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preferDevices } from "../../../src/kubelet/device-plugin/preferred.ts";
import type { Placement } from "../../../src/kubelet/port.ts";

const IDS = ["a0", "a1", "b0", "b1", "b2", "c0", "c1", "d0"];
const FACTS: Record<string, Placement> = {
  a0: { unit: "0x1000", numaNode: 0 },
  a1: { unit: "0x1000", numaNode: 0 },
  b0: { unit: "0x2000", numaNode: 1 },
  b1: { unit: "0x2000", numaNode: 1 },
  b2: { unit: "0x2000", numaNode: 1 },
  c0: { unit: "0x3000", numaNode: 1 },
  c1: { unit: "0x3000", numaNode: 1 },
  d0: { unit: null, numaNode: null },
};
const placementOf = (id: string): Placement | null => FACTS[id] ?? null;
const unitOf = (id: string): string => FACTS[id]?.unit ?? id;

const request = fc.record({
  available: fc.shuffledSubarray(IDS),
  mustInclude: fc.shuffledSubarray(IDS, { maxLength: 3 }),
  size: fc.integer({ min: 0, max: 9 }),
});

/** The fewest units any choice of `size` ids can touch, by trying every subset. */
function fewestUnits(available: readonly string[], mustInclude: readonly string[], size: number): number {
  const free = [...new Set(available)].filter((id) => !mustInclude.includes(id));
  const want = Math.min(size, mustInclude.length + free.length);
  let best = Number.POSITIVE_INFINITY;
  for (let bits = 0; bits < 2 ** free.length; bits++) {
    const ids = [...mustInclude, ...free.filter((_, index) => bits & (1 << index))];
    if (ids.length === Math.max(want, mustInclude.length)) best = Math.min(best, new Set(ids.map(unitOf)).size);
  }
  return best;
}

describe("preferDevices", () => {
  it("takes all devices from one unit, the smallest that has enough", () => {
    expect(preferDevices({ available: IDS, mustInclude: [], size: 2 }, placementOf)).toEqual(["a0", "a1"]);
    expect(preferDevices({ available: IDS, mustInclude: [], size: 3 }, placementOf)).toEqual(["b0", "b1", "b2"]);
  });

  it("stays with the unit, then the NUMA node, of what must be included", () => {
    expect(preferDevices({ available: IDS, mustInclude: ["c1"], size: 2 }, placementOf)).toEqual(["c0", "c1"]);
    expect(preferDevices({ available: ["a0", "a1", "c0", "c1"], mustInclude: ["b2"], size: 2 }, placementOf)).toEqual(["b2", "c0"]);
  });

  it("always contains what must be included, has the size asked for, and touches the fewest units possible", () => {
    fc.assert(
      fc.property(request, ({ available, mustInclude, size }) => {
        const answer = preferDevices({ available, mustInclude, size }, placementOf);
        const all = new Set([...available, ...mustInclude]);
        expect(mustInclude.every((id) => answer.includes(id))).toBe(true);
        expect(answer.every((id) => all.has(id))).toBe(true);
        expect(answer.length).toBe(Math.max(mustInclude.length, Math.min(size, all.size)));
        expect(new Set(answer.map(unitOf)).size).toBe(fewestUnits(available, mustInclude, size));
      }),
    );
  });

  it("gives one answer for one question, in whatever order it is asked", () => {
    fc.assert(
      fc.property(request, ({ available, mustInclude, size }) => {
        const turned = { available: [...available].reverse(), mustInclude: [...mustInclude].reverse(), size };
        expect(preferDevices(turned, placementOf)).toEqual(preferDevices({ available, mustInclude, size }, placementOf));
      }),
    );
  });
});
