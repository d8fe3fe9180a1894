// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../src/runtime/clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly owner: number;
  readonly fire: () => void;
}

/** Timers of the kernel, of kubelet and of the API: no crash of an agent stops them. */
export const WORLD = 0;

/** 2026-01-01T00:00:00Z. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

/**
 * The world's time. It stands still until told to move; timers fire in order of time, then in the order in which they were set. `tick` counts
 * everything that happens, so that two facts of the same millisecond have an order.
 */
export class WorldTime {
  nowMs = 1_000_000;
  tick = 0;
  /** Whose timers fire only when it goes on. */
  frozen: number | null = null;
  #timers: Pending[] = [];

  after(owner: number, delayMs: number, fire: () => void): Timer {
    const timer: Pending = { dueMs: this.nowMs + Math.max(0, delayMs), owner, fire };
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1]?.dueMs ?? 0) > timer.dueMs) at -= 1;
    this.#timers.splice(at, 0, timer);
    return { stop: () => this.#remove(timer) };
  }

  /** A clock whose timers belong to `owner`. */
  clockOf(owner: number): Clock {
    return {
      nowMs: () => this.nowMs,
      wallMs: () => EPOCH_MS + this.nowMs,
      after: (delayMs, fire) => this.after(owner, delayMs, fire),
    };
  }

  /** The process is gone, and with it what it waited for. */
  forget(owner: number): void {
    this.#timers = this.#timers.filter((timer) => timer.owner !== owner);
    if (this.frozen === owner) this.frozen = null;
  }

  nextDueMs(): number | null {
    return this.#next()?.dueMs ?? null;
  }

  /** Moves to `ms` at the latest and fires the first timer that is due by then. False when none was. */
  fireNext(untilMs: number): boolean {
    const first = this.#next();
    if (first === undefined || first.dueMs > untilMs) {
      this.nowMs = Math.max(this.nowMs, untilMs);
      return false;
    }
    this.#remove(first);
    this.nowMs = Math.max(this.nowMs, first.dueMs);
    this.tick += 1;
    first.fire();
    return true;
  }

  #next(): Pending | undefined {
    return this.frozen === null ? this.#timers[0] : this.#timers.find((timer) => timer.owner !== this.frozen);
  }

  #remove(timer: Pending): void {
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }
}
