// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { runWithDeadline, withDeadline } from "../../src/runtime/deadline.ts";
import { createFakeClock } from "../support/fake-clock.ts";

test("what is in time comes through, value or error, and leaves no timer", async () => {
  const clock = createFakeClock();
  expect(await withDeadline(Promise.resolve(7), { clock, ms: 10, what: "it" })).toBe(7);
  await expect(withDeadline(Promise.reject(new Error("own")), { clock, ms: 10, what: "it" })).rejects.toThrow("own");
  expect(clock.pending()).toBe(0);
});

test("what is late is rejected with the caller's code, and its own rejection later harms nobody", async () => {
  const clock = createFakeClock();
  let fail = (_: Error): void => undefined;
  const late = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const answer = expect(withDeadline(late, { clock, ms: 10, what: "Register", code: "REGISTER_REFUSED" })).rejects.toMatchObject({
    code: "REGISTER_REFUSED",
    message: "Register did not finish within 10 ms",
  });
  await clock.advance(10);
  await answer;
  fail(new Error("too late"));
  await clock.settle();
});

test("the signal of a run is aborted when its deadline passes", async () => {
  const clock = createFakeClock();
  const seen: AbortSignal[] = [];
  const answer = expect(
    runWithDeadline(
      (signal) => {
        seen.push(signal);
        return new Promise(() => undefined);
      },
      { clock, ms: 10, what: "LIST" },
    ),
  ).rejects.toMatchObject({ code: "DEADLINE" });
  expect(seen[0]?.aborted).toBe(false);
  await clock.advance(10);
  await answer;
  expect(seen[0]?.aborted).toBe(true);
});
