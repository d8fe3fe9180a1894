// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../runtime/clock.ts";

/**
 * A level-triggered wake-up for the waits of one owner: a waiter looks at the facts again each time it rings, so that a fact that changed
 * before, during or after the ring is seen all the same.
 */
export interface Bell {
  ring(): void;
  /** True as soon as `met()` holds, false when it did not within `withinMs`. `met` must be cheap and must not throw. */
  until(met: () => boolean, withinMs: number): Promise<boolean>;
}

export function createBell(clock: Clock): Bell {
  const looks = new Set<() => void>();
  return {
    ring() {
      for (const look of [...looks]) look();
    },
    until(met, withinMs) {
      if (met()) return Promise.resolve(true);
      return new Promise((resolve) => {
        const end = (value: boolean): void => {
          timer.stop();
          looks.delete(look);
          resolve(value);
        };
        const look = (): void => {
          if (met()) end(true);
        };
        const timer = clock.after(withinMs, () => end(met()));
        looks.add(look);
      });
    },
  };
}
