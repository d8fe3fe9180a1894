// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { type Past, type Registration, remember } from "./past.ts";

const ABSENT: Registration = { load: null, tsm: null };
const LOADING: Registration = { load: 5n, tsm: null };
const READY: Registration = { load: 5n, tsm: 6n };

/** Looks, each with what was there and the newest record read by then. */
const overAfter = (...looks: readonly [Registration, number | null][]): number | null =>
  looks.reduce<Past | null>((past, [registration, newest]) => remember(past, registration, newest), null)?.over ?? null;

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
