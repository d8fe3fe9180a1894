// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { headerLine, holdLine, linkKey, NOTHING_PROVEN, type Proofs, proofChanges, proofLines, proofsFrom } from "../../src/domain/proofs.ts";

const BOOT = "b7d2";
const word = fc.constantFrom("0000:17:00.0", "0000:18:00.0", "teeio.dev/gpu", 'odd "name"', "a\nb", "");
const node = fc.constantFrom(null, "/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1");
const mapOf = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<ReadonlyMap<string, T>> =>
  fc.array(fc.tuple(word, value), { maxLength: 4 }).map((all) => new Map(all));
const setOf = fc.array(word, { maxLength: 4 }).map((all) => new Set(all));

const someProofs: fc.Arbitrary<Proofs> = fc.record({
  checkedLinks: setOf,
  holds: mapOf(fc.record({ resource: word, node, epoch: word, kubelet: node })),
  specs: mapOf(fc.record({ node, epoch: word })),
  names: setOf,
  lastUnits: mapOf(word),
  loads: setOf,
  podUids: setOf,
});

describe("proofs", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(someProofs, (proofs) => {
        expect(proofsFrom([headerLine(BOOT), ...proofLines(proofs)], BOOT)).toEqual(proofs);
      }),
    );
  });

  it("are read as the last of all changes left them", () => {
    fc.assert(
      fc.property(fc.array(someProofs, { minLength: 1, maxLength: 5 }), (history) => {
        const changes = history.flatMap((after, index) => proofChanges(history[index - 1] ?? NOTHING_PROVEN, after));
        expect(proofsFrom([headerLine(BOOT), ...changes], BOOT)).toEqual(history.at(-1));
      }),
    );
  });

  it("that did not change are no change", () => {
    fc.assert(
      fc.property(someProofs, (proofs) => {
        expect(proofChanges(proofs, proofs)).toEqual([]);
      }),
    );
  });

  it("of another boot, or without a first line, prove nothing", () => {
    const lines = proofLines({ ...NOTHING_PROVEN, names: new Set(["teeio.dev/gpu"]) });
    expect(proofsFrom([headerLine("older"), ...lines], BOOT)).toBeNull();
    expect(proofsFrom(lines, BOOT)).toBeNull();
    expect(proofsFrom([], BOOT)).toBeNull();
  });

  it.each([
    ["no JSON", "{"],
    ["an object", '{"kind":"name"}'],
    ["an unknown kind", '["trust","0000:17:00.0"]'],
    ["a key that is no text", '["name",7]'],
    ["too few values", '["hold","0000:17:00.0","teeio.dev/gpu",null]'],
    ["too many values", '["name","teeio.dev/gpu","x"]'],
    ["a hold without an epoch", '["hold","0000:17:00.0","teeio.dev/gpu","/dev/vfio/devices/vfio0",null,"1:2:3"]'],
    ["a spec without an epoch", '["spec","teeio.dev/gpu=0000:17:00.0",null,null]'],
    ["an empty line", ""],
  ])("with %s among their lines are void as a whole", (_what, line) => {
    const whole = [headerLine(BOOT), holdLine("0000:18:00.0", { resource: "teeio.dev/gpu", node: null, epoch: "i/0x1", kubelet: null })];
    expect(proofsFrom(whole, BOOT)).not.toBeNull();
    expect(proofsFrom([...whole, line], BOOT)).toBeNull();
  });

  it("of a link are about one owner and one epoch", () => {
    expect(new Set([linkKey("a", "i/0x1"), linkKey("a", "i/0x2"), linkKey("b", "i/0x1")]).size).toBe(3);
  });
});
