// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";

/** One look at a condition: met with a value, or not met with what was seen instead (for the error message). */
export type Look<T> = { readonly met: true; readonly value: T } | { readonly met: false; readonly seen: string };

/** Limits of a wait, in milliseconds. */
export interface WaitLimits {
  readonly deadlineMs: number;
  /** Pause between two looks; 100 ms unless given. */
  readonly everyMs?: number;
}

/** A condition that is met, with its value. */
export function met<T>(value: T): Look<T> {
  return { met: true, value };
}

/** A condition that is not met yet, with what was seen. */
export function notYet<T>(seen: string): Look<T> {
  return { met: false, seen };
}

/** Looks again and again until the condition is met; returns its value.
 *  @throws when the deadline has passed (the message names what was waited for and what was seen last), or at once when a look throws. */
export async function waitUntil<T>(what: string, look: () => Promise<Look<T>> | Look<T>, limits: WaitLimits): Promise<T> {
  const end = performance.now() + limits.deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen.met) return seen.value;
    if (performance.now() >= end) {
      throw new Error(`waited ${limits.deadlineMs / 1000} s for: ${what}; last seen: ${seen.seen}`);
    }
    await pause(limits.everyMs ?? 100);
  }
}
