// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { believe, type Look, type Past, type Registration, remember, watchedLoad } from "../../../src/seamcall/tdx-host/past.ts";
import { loadFromText, textOfLoad } from "../../../src/seamcall/tdx-host/watched-load.ts";

const ABSENT: Registration = { load: null, tsm: null };
const LOADING: Registration = { load: 5n, tsm: null };
const READY: Registration = { load: 5n, tsm: 6n };

/** Each load is told of once. */
const look = (past: Past | null, seen: Omit<Look, "arrived">): Past =>
  remember(past, { ...seen, arrived: seen.load === null || seen.load === past?.registration.load ? 0 : 1 });

/** Looks, each with what was there and the newest record read by then. */
const overAfter = (...looks: readonly [Registration, number | null][]): number | null => pastAfter(...looks)?.over ?? null;
const pastAfter = (...looks: readonly [Registration, number | null][]): Past | null =>
  looks.reduce<Past | null>((past, [registration, newest]) => look(past, { ...registration, newest }), null);

describe("what was logged before a load", () => {
  it("is not known to the first look", () => {
    expect(overAfter([READY, 10])).toBe(-1);
    expect(overAfter([ABSENT, 10])).toBe(-1);
  });

  it("is what had been read while another one was there, or none", () => {
    expect(overAfter([ABSENT, 10], [READY, 20])).toBe(10);
    expect(overAfter([READY, 10], [{ load: 7n, tsm: 8n }, 20])).toBe(10);
    expect(overAfter([LOADING, 10], [{ load: 7n, tsm: 8n }, 20])).toBe(10);
    expect(overAfter([READY, 10], [{ load: 5n, tsm: 8n }, 20])).toBe(10);
    expect(overAfter([READY, 10], [ABSENT, 15], [READY, 20])).toBe(15);
  });

  it("is not told from a load's own lines when that load was last seen in the middle of its SETUPs and another one is there", () => {
    const isWatched = (...looks: readonly [Registration, number | null][]): boolean | undefined => pastAfter(...looks)?.isWatched;
    // Load 5 may have logged, got its TSM and gone since the look that saw it without one.
    expect(isWatched([ABSENT, 10], [LOADING, 10], [{ load: 7n, tsm: 8n }, 20])).toBe(false);
    expect(isWatched([ABSENT, 10], [LOADING, 10], [READY, 20])).toBe(true);
    expect(isWatched([ABSENT, 10], [LOADING, 10], [ABSENT, 20], [{ load: 7n, tsm: 8n }, 30])).toBe(true);
  });

  it("is not what was read in the course of it", () => {
    expect(overAfter([ABSENT, 10], [LOADING, 15], [READY, 20], [READY, 30])).toBe(10);
    expect(overAfter([READY, 10], [LOADING, 15], [{ load: 5n, tsm: 8n }, 20])).toBe(10);
  });

  it("may be anything that a log holds which could not be read then", () => {
    expect(overAfter([READY, null], [{ load: 7n, tsm: 8n }, 20])).toBe(20);
    expect(overAfter([READY, null], [{ load: 7n, tsm: 8n }, null])).toBeNull();
    expect(overAfter([READY, null], [{ load: 7n, tsm: 8n }, null], [{ load: 7n, tsm: 8n }, 20], [{ load: 7n, tsm: 8n }, 30])).toBe(20);
  });
});

describe("a load that was watched from its start", () => {
  const NEXT: Registration = { load: 7n, tsm: 8n };

  it("is one before which something else was seen, or nothing", () => {
    expect(watchedLoad(pastAfter([ABSENT, 10], [READY, 20]))).toEqual({ load: 5n, tsm: 6n, over: 10 });
    expect(watchedLoad(pastAfter([READY, 10], [NEXT, 20]))).toEqual({ load: 7n, tsm: 8n, over: 10 });
    expect(watchedLoad(pastAfter([ABSENT, 10], [LOADING, 15], [READY, 20], [READY, 30]))).toEqual({ load: 5n, tsm: 6n, over: 10 });
  });

  it("is none that was there at the first look, whole or in the middle of its SETUPs", () => {
    expect(watchedLoad(pastAfter([READY, 10], [READY, 20]))).toBeNull();
    expect(watchedLoad(pastAfter([LOADING, 10], [READY, 20]))).toBeNull();
  });

  it("is none without a TSM, and none whose lines are not known to be its own", () => {
    expect(watchedLoad(pastAfter([ABSENT, 10], [LOADING, 15]))).toBeNull();
    expect(watchedLoad(pastAfter([ABSENT, null], [READY, null]))).toBeNull();
    expect(watchedLoad(null)).toBeNull();
  });

  it("goes on for the next process, with the lines that are not its own, and only that load", () => {
    const watched = [{ load: 5n, tsm: 6n, over: 10 }];
    const again = believe(look(null, { ...READY, newest: 40 }), watched);
    expect(again).toMatchObject({ over: 10, isWatched: true });
    expect(watchedLoad(look(again, { ...READY, newest: 50 }))).toEqual(watched[0]);
    for (const other of [NEXT, { load: 5n, tsm: 8n }, LOADING, ABSENT]) {
      const first = look(null, { ...other, newest: 40 });
      expect(believe(first, watched)).toEqual(first);
    }
  });

  it("is believed in also when the next process has looked before it was told, and never against its own eyes", () => {
    const watched = [{ load: 5n, tsm: 6n, over: 10 }];
    const looked = look(look(null, { ...READY, newest: 40 }), { ...READY, newest: 50 });
    expect(believe(looked, watched)).toMatchObject({ over: 10, isWatched: true });
    const seen = look(look(null, { ...ABSENT, newest: 30 }), { ...READY, newest: 40 });
    expect(believe(seen, watched)).toEqual(seen);
  });

  it("is none when several came, or an unknown number, between two looks", () => {
    const absent = remember(null, { ...ABSENT, newest: 10, arrived: 0 });
    for (const arrived of [0, 1]) expect(remember(absent, { ...READY, newest: 20, arrived }).isWatched).toBe(true);
    for (const arrived of [2, 3, null]) expect(remember(absent, { ...READY, newest: 20, arrived }).isWatched).toBe(false);
    // One that is told of only when the load has its TSM.
    const early = remember(absent, { ...LOADING, newest: 15, arrived: 1 });
    expect(remember(early, { ...READY, newest: 20, arrived: 1 }).isWatched).toBe(false);
    expect(remember(early, { ...READY, newest: 20, arrived: 0 }).isWatched).toBe(true);
    expect(remember(early, { ...READY, newest: 20, arrived: null }).isWatched).toBe(false);
    // Once it has, nothing that is told later is about what came before.
    const ready = remember(absent, { ...READY, newest: 20, arrived: 1 });
    expect(remember(ready, { ...READY, newest: 30, arrived: null }).isWatched).toBe(true);
  });

  it("is written as a text, and no other text is one", () => {
    const load = { load: 2n ** 40n, tsm: 7n, over: -1 };
    expect(loadFromText(textOfLoad(load))).toEqual(load);
    for (const text of ["", "5/6", "5/6/7/8", "-5/6/7", "5/6/x", "5/6/-2", " 5/6/7"]) expect(loadFromText(text)).toBeNull();
  });
});
