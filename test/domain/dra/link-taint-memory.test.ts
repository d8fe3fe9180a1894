// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LinkTaintMemory, linkTaintsAfterLook, linkTaintsAfterWrite, linkTaintsOfStart } from "../../../src/domain/dra/link-taint-memory.ts";
import { nextLinkTaintEnd } from "../../../src/domain/dra/link-taints.ts";
import type { ListedDevice } from "../../../src/domain/dra/view.ts";
import { type Ground, groundFrom } from "../../../src/domain/ground.ts";
import type { Intent } from "../../../src/domain/intent.ts";
import type { LinkFailure } from "../../../src/domain/links/error.ts";
import { NO_LINK_WORK } from "../../../src/domain/links/work.ts";
import { linkKey } from "../../../src/domain/proofs.ts";
import type { NodeView } from "../../../src/domain/view.ts";
import { aDraView, aDriver, aFunction, aHost, anIntent, aSlot, aUnit, aView, INSTANCE } from "../../support/builders.ts";

const [POOL, A, B] = ["n1/pci0000-16", "0000:17:00.0", "0000:18:00.0"] as const;
const START = Date.parse("2026-01-02T03:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const EPOCH = `${INSTANCE}/0x1`;
const PROVEN: ReadonlySet<string> = new Set([linkKey(A, EPOCH)]);
const ON_PREPARE = anIntent({ link: { enable: "OnPrepare" } });
const UNREAD = { kind: "Unreadable", why: "not read yet" } as const;
const atIso = (ms: number): string => new Date(START + ms).toISOString().replace(".000Z", "Z");
const taint = (timeAdded: string) => ({ key: "teeio.dev/link-failed", value: "LinkFailed", effect: "NoSchedule", timeAdded }) as const;
const listed = (address: string, ...taints: ListedDevice["taints"]): ListedDevice => ({ address, pool: POOL, streams: 1, taints });
const failedAgo = (ageMs: number): readonly ListedDevice[] => [
  listed(A, taint(atIso(-ageMs))),
  listed(B, { ...taint(atIso(0)), key: "teeio.dev/withheld", value: "NoIntent" }),
];

interface Look {
  readonly at?: number;
  /** Null: the slices are not read. */
  readonly slices?: readonly ListedDevice[] | null;
  readonly isHostRead?: boolean;
  readonly intent?: Intent;
  readonly driver?: string;
  readonly setupSeq?: bigint;
  readonly isGone?: boolean;
  readonly failures?: ReadonlyMap<string, LinkFailure>;
}

function groundOf({ at = 0, slices = [], isHostRead = true, driver = "vfio-pci", setupSeq = 1n, isGone = false }: Look): Ground {
  const value = isGone ? aHost({ functions: [] }) : aHost({ functions: [aFunction({ driver })], slots: [aSlot()] });
  const host: NodeView["host"] = isHostRead ? { kind: "Read", value } : { kind: "Unreadable", why: "EIO" };
  const dra = slices === null ? { ...aDraView(), slices: UNREAD } : aDraView({ slices: { listed: slices } });
  return groundFrom(aView({ host, dra, driver: aDriver([aUnit({ setupSeq })]), nowMs: at, wallMs: START + at }));
}

function looked(linkTaints: LinkTaintMemory, look: Look) {
  const linkWork = { ...NO_LINK_WORK, failures: look.failures ?? new Map() };
  return linkTaintsAfterLook({ linkTaints, linkWork }, { intent: look.intent ?? ON_PREPARE, ground: groundOf(look) });
}

const startWith = (slices: readonly ListedDevice[], proven = PROVEN): LinkTaintMemory => looked(linkTaintsOfStart(proven), { slices }).linkTaints;
const endOf = ({ known }: LinkTaintMemory): number | null => nextLinkTaintEnd(known, START);
const failure = (lastMs: number): LinkFailure => ({ kind: "Authentication", problem: "EKEYREJECTED", count: 1, lastMs });

describe("after a restart", () => {
  it("taints are what the slices say, and go on as if they had begun here", () => {
    const adopted = startWith(failedAgo(9 * MINUTE));
    expect([...adopted.standing]).toEqual([[A, taint(atIso(-9 * MINUTE))]]);
    expect(endOf(adopted)).toBe(START + MINUTE);
    expect(endOf(startWith(failedAgo(11 * MINUTE)))).toBe(START + 9 * MINUTE);
    expect(startWith(failedAgo(7 * HOUR)).standing.size).toBe(0);
  });

  it("a taint of any age ends, at the latest, when it is twice as old or ten minutes", () => {
    fc.assert(
      fc.property(fc.nat(6 * HOUR - 1_000), (ageMs) => {
        const age = Math.floor(ageMs / 1_000) * 1_000;
        const end = endOf(startWith(failedAgo(age))) ?? START;
        expect(end).toBeGreaterThan(START);
        expect(end - (START - age)).toBeLessThanOrEqual(Math.max(10 * MINUTE, 2 * age));
      }),
    );
  });

  it("a time that is none, or in the future, counts as now", () => {
    for (const timeAdded of ["", "soon", atIso(HOUR)]) expect(endOf(startWith([listed(A, taint(timeAdded))]))).toBe(START + 10 * MINUTE);
  });

  it("they are adopted once, with the first look that has the slices and the host", () => {
    const first = looked(linkTaintsOfStart(PROVEN), { slices: null }).linkTaints;
    expect([first.found, first.isAdopted]).toEqual([null, false]);
    // Slices may be written before the host can be read: what was in them is kept.
    const second = looked(first, { slices: failedAgo(MINUTE), isHostRead: false }).linkTaints;
    expect([second.found?.map(({ address }) => address), second.isAdopted]).toEqual([[A], false]);
    const third = looked(second, { slices: [] }).linkTaints;
    expect([[...third.standing.keys()], third.isAdopted]).toEqual([[A], true]);
    const lifted = looked(third, { slices: failedAgo(MINUTE), driver: "other-vfio" }).linkTaints;
    expect(looked(lifted, { slices: failedAgo(MINUTE), driver: "other-vfio" }).linkTaints.standing.size).toBe(0);
  });

  it("the driver of the first look counts as the one of then, the span of trust as the one of the proof; without a proof there is nothing", () => {
    const adopted = startWith(failedAgo(MINUTE));
    expect(adopted.known.get(A)?.under).toEqual({ tsms: "tsm0", driver: "vfio-pci", epoch: EPOCH });
    expect(looked(linkTaintsOfStart(PROVEN), { slices: failedAgo(MINUTE), setupSeq: 2n }).linkTaints.standing.size).toBe(0);
    expect(startWith(failedAgo(MINUTE), new Set()).known.size).toBe(0);
    expect(startWith(failedAgo(MINUTE), new Set([linkKey(B, EPOCH)])).known.size).toBe(0);
  });
});

describe("a failure", () => {
  const began = looked(startWith([]), { at: 1_000, failures: new Map([[A, failure(1_000)]]) });

  it("taints its slot while links are asked for", () => {
    expect([...began.linkTaints.standing]).toEqual([[A, { ...taint(atIso(1_000)), value: "AuthenticationFailed" }]]);
    const unasked = looked(began.linkTaints, { at: 2_000, intent: anIntent() }).linkTaints;
    expect([unasked.standing.size, unasked.known.size]).toEqual([0, 1]);
  });

  it("is noted when the write ends, and a look that began before that does not date it back", () => {
    const pass = { intent: ON_PREPARE, ground: groundOf({ at: 0 }) };
    const linkWork = { ...NO_LINK_WORK, failures: new Map([[A, failure(5_000)]]) };
    const ended = linkTaintsAfterWrite({ linkTaints: startWith([]), linkWork }, pass, 5_000);
    expect(ended.linkTaints.standing.get(A)?.timeAdded).toBe(atIso(5_000));
    expect(looked(ended.linkTaints, { at: 3_000 }).linkTaints.standing.get(A)?.timeAdded).toBe(atIso(5_000));
    expect(linkTaintsAfterWrite({ linkTaints: startWith([]), linkWork }, null, 5_000).linkTaints.standing.size).toBe(0);
  });

  it("is forgotten with the taint that is lifted: by another driver, or when the device leaves the bus", () => {
    const failures = new Map([[A, failure(1_000)]]);
    expect(looked(began.linkTaints, { at: 2_000, failures }).linkWork.failures.size).toBe(1);
    for (const change of [{ driver: "other-vfio" }, { isGone: true }]) {
      const lifted = looked(began.linkTaints, { at: 2_000, failures, ...change });
      expect([lifted.linkTaints.standing.size, lifted.linkWork.failures.size]).toEqual([0, 0]);
    }
  });
});

it("a node that serves no DRA has none", () => {
  const linkWork = { ...NO_LINK_WORK, failures: new Map([[A, failure(0)]]) };
  const before = { linkTaints: linkTaintsOfStart(PROVEN), linkWork };
  const ground = groundFrom(aView({ dra: null }));
  expect(linkTaintsAfterLook(before, { intent: ON_PREPARE, ground })).toEqual(before);
});
