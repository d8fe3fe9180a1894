// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../src/runtime/clock.ts";

/** A clock that stands still until it is told to move. Deterministic: timers fire in order of time, then in the order in which they were set. */
export interface FakeClock extends Clock {
  /**
   * Moves time forward by `ms`, firing what falls due on the way, each at its own time and with all promises settled before the next one.
   * Resolves when nothing that became runnable is left.
   */
  advance(ms: number): Promise<void>;
  /** Moves to the next timer and fires it (and those due at the same instant). False when none is set. */
  advanceToNext(): Promise<boolean>;
  /** Lets promises and immediate callbacks run, without moving time. */
  settle(): Promise<void>;
  /** When the earliest timer falls due; null when none is set. */
  nextDueMs(): number | null;
  /** Number of timers set: what is left at the end of a test leaks. */
  pending(): number;
  /** Moves the wall clock alone, as NTP or an admin does. */
  setWall(wallMs: number): void;
}

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** 2026-01-01T00:00:00Z: any fixed date will do, this one reads well in a failing test. */
const DEFAULT_WALL_MS = Date.UTC(2026, 0, 1);

export function createFakeClock(start: { nowMs?: number; wallMs?: number } = {}): FakeClock {
  let nowMs = start.nowMs ?? 0;
  let wallOffsetMs = (start.wallMs ?? DEFAULT_WALL_MS) - nowMs;
  let order = 0;
  const timers = new Set<Pending>();

  const next = (): Pending | null => {
    let first: Pending | null = null;
    for (const timer of timers) {
      if (!first || timer.dueMs < first.dueMs || (timer.dueMs === first.dueMs && timer.order < first.order)) first = timer;
    }
    return first;
  };

  /** Fires everything due up to `untilMs`, including what is set on the way. */
  const runUntil = async (untilMs: number): Promise<void> => {
    await settle();
    for (let timer = next(); timer && timer.dueMs <= untilMs; timer = next()) {
      timers.delete(timer);
      nowMs = Math.max(nowMs, timer.dueMs);
      timer.fire();
      await settle();
    }
    nowMs = Math.max(nowMs, untilMs);
  };

  return {
    nowMs: () => nowMs,
    wallMs: () => nowMs + wallOffsetMs,
    after(delayMs, fire) {
      const timer: Pending = { dueMs: nowMs + Math.max(0, delayMs), order: order++, fire };
      timers.add(timer);
      return { stop: () => void timers.delete(timer) };
    },
    advance: (ms) => runUntil(nowMs + ms),
    async advanceToNext() {
      await settle();
      const timer = next();
      if (timer) await runUntil(timer.dueMs);
      return timer !== null;
    },
    settle,
    nextDueMs: () => next()?.dueMs ?? null,
    pending: () => timers.size,
    setWall(wallMs) {
      wallOffsetMs = wallMs - nowMs;
    },
  };
}

/** setImmediate runs after the whole microtask and nextTick queues are empty, however deep the promise chains are. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
