// SPDX-License-Identifier: Apache-2.0
import { met, notYet, waitUntil } from "../cluster/waiting.ts";
import { DEADLINE_MS } from "./stage.ts";

/** Something that is looked at until it is as it should be. */
export interface Sight<T> {
  /** What is waited for, as it reads after "waited for". */
  readonly what: string;
  read(): Promise<T> | T;
  holds(value: T): boolean;
  /** What was seen instead, short enough for an error message. */
  describe(value: T): string;
}

/** Looks until the sight is as it should be. @throws with what was seen last, when the deadline passes */
export function until<T>(sight: Sight<T>): Promise<T> {
  const look = async () => {
    const value = await sight.read();
    return sight.holds(value) ? met(value) : notYet<T>(sight.describe(value));
  };
  return waitUntil(sight.what, look, { deadlineMs: DEADLINE_MS, everyMs: 150 });
}

/** Watches something that must hold all the while. @throws at the first look at which it does not */
export async function stays<T>(sight: Sight<T>, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  const look = async () => {
    const value = await sight.read();
    if (!sight.holds(value)) throw new Error(`${sight.what} holds no longer: ${sight.describe(value)}`);
    return performance.now() >= end ? met(true) : notYet<boolean>("");
  };
  await waitUntil(sight.what, look, { deadlineMs: forMs + DEADLINE_MS, everyMs: 200 });
}
