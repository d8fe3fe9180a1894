// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { createStatusTurns } from "../../src/agent/status-turn.ts";
import type { NodeStatus } from "../../src/domain/status.ts";
import { deviceStatus, nodeStatus } from "../support/node-status.ts";

const RATE = { burst: 3, everyMs: 5_000 };
const showing = (...offered: readonly boolean[]): NodeStatus =>
  nodeStatus({ devices: offered.map((isOffered, index) => deviceStatus({ address: `0000:1${index}:00.0`, offered: isOffered })) });

describe("the turn of a status", () => {
  it("comes three times at once, and then every five seconds", () => {
    const turns = createStatusTurns(RATE, () => null);
    const waits = [0, 10, 20, 30, 5_000, 5_010].map((nowMs) => turns.take(nowMs, showing(true)));
    expect(waits).toEqual([0, 0, 0, 4_970, 0, 4_990]);
  });

  it("is always when the gate closes for a device that is shown offered", () => {
    const turns = createStatusTurns(RATE, () => null);
    for (const nowMs of [0, 1, 2]) turns.take(nowMs, showing(true, true));
    turns.written(showing(true, true));
    expect(turns.take(3, showing(true, true))).toBeGreaterThan(0);
    expect(turns.take(3, showing(true, false))).toBe(0);
    // A write that failed has not told anybody.
    expect(turns.take(4, showing(true, false))).toBe(0);
    turns.written(showing(true, false));
    expect(turns.take(5, showing(true, true))).toBeGreaterThan(0);
  });

  it("is measured by what an earlier process wrote, before the first one's end", () => {
    const turns = createStatusTurns({ burst: 1, everyMs: 5_000 }, () => showing(true));
    turns.take(0, showing(true));
    expect(turns.take(0, showing(false))).toBe(0);
  });

  it("is always where nobody wants it rarer", () => {
    const turns = createStatusTurns(null, () => null);
    expect(Array.from({ length: 10 }, () => turns.take(0, showing(true)))).toEqual(Array(10).fill(0));
  });
});
