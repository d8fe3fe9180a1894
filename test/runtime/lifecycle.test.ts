// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { createLifecycle } from "../../src/runtime/lifecycle.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function world() {
  const clock = createFakeClock();
  const lifecycle = createLifecycle({ clock, log: silentLog });
  const events: string[] = [];
  const part = (name: string, over: { start?: () => Promise<void>; stop?: () => Promise<void> } = {}) =>
    lifecycle.add({
      name,
      stopWithinMs: 100,
      async start() {
        await over.start?.();
        events.push(`start ${name}`);
      },
      async stop(cause) {
        events.push(`stop ${name} ${String(cause)}`);
        await over.stop?.();
      },
    });
  return { clock, lifecycle, events, part };
}

test("parts start in order, stop in reverse, and are told the cause", async () => {
  const { clock, lifecycle, events, part } = world();
  part("a");
  part("b");
  const end = lifecycle.run();
  await clock.settle();
  lifecycle.cancel("enough");
  lifecycle.cancel("too late");
  expect(await end).toEqual({ cause: "enough", isStarted: true, problems: [] });
  expect(events).toEqual(["start a", "start b", "stop b enough", "stop a enough"]);
  expect(clock.pending()).toBe(0);
});

test("a part that fails to start has the earlier ones stopped and the later ones never started", async () => {
  const { lifecycle, events, part } = world();
  const problem = new Error("no");
  part("a");
  part("b", { start: () => Promise.reject(problem) });
  part("c");
  expect(await lifecycle.run()).toEqual({ cause: problem, isStarted: false, problems: [] });
  expect(events).toEqual(["start a", "stop a Error: no"]);
});

test("a cancel during the start ends it before the next part", async () => {
  const { lifecycle, events, part } = world();
  part("a", { start: async () => lifecycle.cancel("early") });
  part("b");
  expect(await lifecycle.run()).toMatchObject({ cause: "early", isStarted: false });
  expect(events).toEqual(["start a", "stop a early"]);
});

test("a part that hangs or fails in stopping is reported and does not keep the others from stopping", async () => {
  const { clock, lifecycle, events, part } = world();
  part("a");
  part("hangs", { stop: () => new Promise(() => undefined) });
  part("fails", { stop: () => Promise.reject(new Error("broken")) });
  const end = lifecycle.run();
  await clock.settle();
  lifecycle.cancel("enough");
  await clock.advance(100);
  const { problems } = await end;
  expect(problems.map(({ part, thrown }) => [part, (thrown as Error).message])).toEqual([
    ["fails", "broken"],
    ["hangs", "stopping hangs did not finish within 100 ms"],
  ]);
  expect(events.at(-1)).toBe("stop a enough");
});

test("a cancel ends a start that hangs: the part is given up, what was started is stopped", async () => {
  const { clock, lifecycle, events, part } = world();
  part("a");
  part("hangs", { start: () => new Promise(() => undefined) });
  part("c");
  const end = lifecycle.run();
  await clock.settle();
  lifecycle.cancel("enough");
  await clock.advance(100);
  const { cause, isStarted, problems } = await end;
  expect({ cause, isStarted }).toEqual({ cause: "enough", isStarted: false });
  expect(problems.map(({ part }) => part)).toEqual(["hangs"]);
  expect(events).toEqual(["start a", "stop a enough"]);
  expect(clock.pending()).toBe(0);
});

test("a start that a cancel cuts short is no problem and leaves the first cause", async () => {
  const { clock, lifecycle, events } = world();
  const heeds = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("cut short"))));
  lifecycle.add({ name: "heeds", stopWithinMs: 100, start: heeds, stop: () => void events.push("stopped") });
  const end = lifecycle.run();
  await clock.settle();
  lifecycle.cancel("enough");
  expect(await end).toEqual({ cause: "enough", isStarted: false, problems: [] });
  expect(events).toEqual([]);
  expect(clock.pending()).toBe(0);
});
