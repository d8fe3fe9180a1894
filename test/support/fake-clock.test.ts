// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { sleep } from "../../src/runtime/clock.ts";
import { createFakeClock } from "./fake-clock.ts";

test("timers fire in order of time and then of setting, each at its own time", async () => {
  const clock = createFakeClock();
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name}@${clock.nowMs()}`);
  clock.after(20, note("c"));
  clock.after(10, note("a"));
  clock.after(10, note("b"));
  clock.after(99, note("late"));
  await clock.advance(50);
  expect(fired).toEqual(["a@10", "b@10", "c@20"]);
  expect({ now: clock.nowMs(), pending: clock.pending(), next: clock.nextDueMs() }).toEqual({ now: 50, pending: 1, next: 99 });
});

test("what a timer sets in motion is done before the next timer fires", async () => {
  const clock = createFakeClock();
  const seen: number[] = [];
  const chain = async (): Promise<void> => {
    for (let n = 0; n < 100; n += 1) await Promise.resolve();
    await sleep(clock, 5);
    seen.push(clock.nowMs());
  };
  clock.after(10, () => void chain());
  clock.after(12, () => void seen.push(clock.nowMs()));
  await clock.advance(100);
  expect(seen).toEqual([12, 15]);
});

test("a stopped timer does not fire and an aborted sleep ends at once", async () => {
  const clock = createFakeClock();
  const fired: string[] = [];
  clock.after(1, () => void fired.push("stopped")).stop();
  const abort = new AbortController();
  const slept = sleep(clock, 1000, abort.signal);
  abort.abort();
  await slept;
  await clock.advance(10);
  expect({ fired, pending: clock.pending() }).toEqual({ fired: [], pending: 0 });
});

test("steps from timer to timer and moves the wall clock apart", async () => {
  const clock = createFakeClock({ wallMs: 1000 });
  clock.after(7, () => undefined);
  expect(await clock.advanceToNext()).toBe(true);
  expect([clock.nowMs(), clock.wallMs()]).toEqual([7, 1007]);
  clock.setWall(0);
  expect([clock.nowMs(), clock.wallMs(), await clock.advanceToNext()]).toEqual([7, 0, false]);
});
