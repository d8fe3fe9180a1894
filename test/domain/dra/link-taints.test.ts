// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LinkTaints, linkTaintOf, linkTaintsAfter, nextLinkTaintEnd } from "../../../src/domain/dra/link-taints.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { LinkErrorKind, LinkFailure } from "../../../src/domain/links/error.ts";
import type { Slot } from "../../../src/domain/slot.ts";
import { aDriver, aFunction, aHost, aSlot, aUnit, aView } from "../../support/builders.ts";

const A = "0000:17:00.0";
const START = Date.parse("2026-01-02T03:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NONE: LinkTaints = new Map();
const atIso = (ms: number): string => new Date(START + ms).toISOString().replace(".000Z", "Z");

interface Look {
  /** After the start, in ms of the wall. */
  readonly at: number;
  readonly failure?: Partial<LinkFailure> | null;
  readonly slot?: Partial<Slot>;
  readonly isGone?: boolean;
  readonly driver?: string | null;
  readonly setupSeq?: bigint | null;
}

function look(before: LinkTaints, { at, failure = null, slot = {}, isGone = false, driver = "vfio-pci", setupSeq = 1n }: Look): LinkTaints {
  const host = isGone ? aHost({ functions: [] }) : aHost({ functions: [aFunction({ driver })], slots: [aSlot(slot)] });
  const units = aDriver([setupSeq === null ? aUnit({ state: "Unknown" }) : aUnit({ setupSeq })]);
  const failures = new Map(failure === null ? [] : [[A, { kind: "Other" as LinkErrorKind, problem: "EIO", count: 3, lastMs: at, ...failure }]]);
  return linkTaintsAfter(before, {
    ground: groundFrom(aView({ host: { kind: "Read", value: host }, driver: units })),
    linkWork: { failures },
    nowMs: START + at,
  });
}

const isTainted = (taints: LinkTaints, at: number): boolean => linkTaintOf(taints, A, START + at) !== null;
const failedAt = (at: number, before: LinkTaints = NONE): LinkTaints => look(before, { at, failure: {} });

it("begins when the link counts as failed, with the reason", () => {
  expect(look(NONE, { at: 0, failure: { count: 2 } }).size).toBe(0);
  expect(linkTaintOf(failedAt(0), A, START)).toEqual({
    key: "teeio.dev/link-failed",
    value: "LinkFailed",
    effect: "NoSchedule",
    timeAdded: atIso(0),
  });
  expect(linkTaintOf(look(NONE, { at: 0, failure: { kind: "Authentication", count: 1 } }), A, START)?.value).toBe("AuthenticationFailed");
});

it("stays for ten minutes, then twice as long after each failure, up to six hours", () => {
  let taints = NONE;
  let at = 0;
  for (const minutes of [10, 20, 40, 80, 160, 320, 360, 360]) {
    taints = failedAt(at, taints);
    expect(nextLinkTaintEnd(taints, START + at)).toBe(START + at + minutes * MINUTE);
    expect([isTainted(taints, at + minutes * MINUTE - 1), isTainted(taints, at + minutes * MINUTE)]).toEqual([true, false]);
    at += minutes * MINUTE;
    taints = look(taints, { at });
    expect(nextLinkTaintEnd(taints, START + at)).toBeNull();
  }
  // After six quiet hours it counts from anew.
  expect(look(taints, { at: at + 6 * HOUR })).toEqual(NONE);
});

it("begins with a whole second, as a slice has it", () => {
  const taints = failedAt(1_700);
  expect(linkTaintOf(taints, A, START + 1_700)?.timeAdded).toBe(atIso(1_000));
  expect(nextLinkTaintEnd(taints, START + 1_700)).toBe(START + 1_000 + 10 * MINUTE);
});

it("is made no longer by failures while it stands, nor by one that it knows", () => {
  let taints = failedAt(0);
  for (const at of [5 * MINUTE, 9 * MINUTE]) taints = failedAt(at, taints);
  expect(isTainted(taints, 10 * MINUTE)).toBe(false);
  taints = look(taints, { at: 11 * MINUTE, failure: { lastMs: 9 * MINUTE } });
  expect(isTainted(taints, 11 * MINUTE)).toBe(false);
  expect(nextLinkTaintEnd(failedAt(12 * MINUTE, taints), START + 12 * MINUTE)).toBe(START + 32 * MINUTE);
});

describe("is lifted", () => {
  const known = { failure: { lastMs: 0 }, at: MINUTE };
  it.each<[string, Look]>([
    ["when the device was off the bus", { ...known, isGone: true }],
    ["by another TSM", { ...known, slot: { tsms: ["tsm1"] } }],
    ["by another driver", { ...known, driver: "mlx5-vfio-pci" }],
    ["by another span of trust", { ...known, setupSeq: 2n }],
    ["by a link that is secured", { ...known, slot: { link: { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } } }],
  ])("%s", (_, change) => {
    expect(isTainted(look(failedAt(0), change), MINUTE)).toBe(false);
  });

  it("and begins with ten minutes again", () => {
    const lifted = look(failedAt(20 * MINUTE, failedAt(0)), { at: 21 * MINUTE, failure: { lastMs: 20 * MINUTE }, driver: "mlx5-vfio-pci" });
    expect(isTainted(lifted, 21 * MINUTE)).toBe(false);
    const again = look(lifted, { at: 22 * MINUTE, failure: {}, driver: "mlx5-vfio-pci" });
    expect(nextLinkTaintEnd(again, START + 22 * MINUTE)).toBe(START + 32 * MINUTE);
  });

  it("not by what cannot be told, and by the span of trust that follows", () => {
    const unknown = look(failedAt(0), { at: MINUTE, setupSeq: null, driver: null });
    expect(isTainted(unknown, MINUTE)).toBe(true);
    expect(isTainted(look(unknown, { at: 2 * MINUTE }), 2 * MINUTE)).toBe(true);
    expect(isTainted(look(unknown, { at: 2 * MINUTE, setupSeq: 2n }), 2 * MINUTE)).toBe(false);
    const ground = groundFrom(aView({ host: { kind: "Unreadable", why: "EIO" } }));
    const before = failedAt(0);
    expect(linkTaintsAfter(before, { ground, linkWork: { failures: new Map() }, nowMs: START + MINUTE })).toBe(before);
  });
});

it("never stands for more than six hours after the last failure, whatever happens", () => {
  const step = fc.record({
    after: fc.integer({ min: 1, max: 40 }),
    fails: fc.boolean(),
    driver: fc.constantFrom("vfio-pci", "vfio-pci", "other-vfio"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let [at, last, taints] = [0, -1, NONE];
      for (const { after, fails, driver } of steps) {
        at += after * MINUTE;
        taints = look(taints, { at, driver, failure: fails ? {} : null });
        if (fails) last = at;
      }
      expect(isTainted(taints, last + 6 * HOUR)).toBe(false);
      if (last === at && steps.length > 0) expect(isTainted(taints, at)).toBe(true);
    }),
  );
});
