// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";

/** Where changes are told: returns the way to stop listening. */
export type Listen = (listener: () => void) => () => void;

/** Resolves in the same turn in which a change made `met` true. @throws when that takes longer than `withinMs` */
export function when(what: string, met: () => boolean, { listen, withinMs = 30_000 }: { listen: Listen; withinMs?: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stop();
      settle();
    };
    const look = (): void => {
      if (met()) end(resolve);
    };
    const timer = setTimeout(() => end(() => reject(new Error(`did not happen within ${withinMs} ms: ${what}`))), withinMs);
    const stop = listen(look);
    look();
  });
}

export async function seconds(count: number): Promise<void> {
  await pause(count * 1000);
}
