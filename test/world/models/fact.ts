// SPDX-License-Identifier: Apache-2.0
import type { WorldTime } from "./world-time.ts";

/** How old something is. */
export type Age = Pick<Fact<unknown>, "sinceTick" | "sinceMs">;

/**
 * One thing that is true of the world, and since when. The checker asks "was it so already before the agent last came to rest?": what is older
 * than that, an agent that reads before it acts must know; what is younger may be a race that nobody can win.
 */
export class Fact<T> {
  #value: T;
  #time: WorldTime;
  sinceTick = -1;
  sinceMs: number;
  /** The last change woke the agent (uevent, poll, watch); else only its timer finds it. */
  loud = true;
  /** Called after each change. */
  onSet: (() => void) | null = null;

  constructor(time: WorldTime, value: T) {
    this.#time = time;
    this.#value = value;
    this.sinceMs = time.nowMs;
  }

  get value(): T {
    return this.#value;
  }

  /** True when the value changed. */
  set(value: T, loud = false): boolean {
    if (Object.is(value, this.#value)) return false;
    this.#time.tick += 1;
    this.#value = value;
    this.sinceTick = this.#time.tick;
    this.sinceMs = this.#time.nowMs;
    this.loud = loud;
    this.onSet?.();
    return true;
  }
}
