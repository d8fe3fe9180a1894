// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import { cancelOnSignals, createLifecycle, isSignalCause } from "./lifecycle.ts";
import { silentLog } from "./log.ts";

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

test("the first signal cancels and gives the handlers back, so that a second one has its default effect", async () => {
  const { lifecycle } = world();
  const source = new EventEmitter();
  cancelOnSignals(lifecycle, source);
  expect(source.listenerCount("SIGTERM") + source.listenerCount("SIGINT")).toBe(2);
  source.emit("SIGINT");
  const { cause } = await lifecycle.run();
  expect(cause).toEqual({ signal: "SIGINT" });
  expect([isSignalCause(cause), isSignalCause(new Error("x")), isSignalCause({ signal: "SIGUSR1" })]).toEqual([true, false, false]);
  expect(source.listenerCount("SIGTERM") + source.listenerCount("SIGINT")).toBe(0);
});
