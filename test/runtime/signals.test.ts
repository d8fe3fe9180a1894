// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { holdStopSignals, isSignalCause, STOP_SIGNALS, type StopSignal, signalsInMask } from "../../src/runtime/signals.ts";

function world(...ignored: StopSignal[]) {
  const source = new EventEmitter();
  const calls: string[] = [];
  const signals = holdStopSignals(source, { ignored: new Set(ignored), early: ({ signal }) => calls.push(`early ${signal}`) });
  return { source, calls, signals };
}

describe("every stop signal", () => {
  test.each(STOP_SIGNALS)("%s ends the process in order, once", (signal) => {
    const { source, calls, signals } = world();
    signals.onFirst((cause) => calls.push(`first ${cause.signal}`));
    expect(source.emit(signal)).toBe(true);
    source.emit(signal);
    for (const other of STOP_SIGNALS) source.emit(other);
    expect(calls).toEqual([`first ${signal}`]);
  });

  test.each(STOP_SIGNALS)("%s that comes before there is anything to stop ends the process at once", (signal) => {
    const { source, calls } = world();
    source.emit(signal);
    expect(calls).toEqual([`early ${signal}`]);
  });

  test.each(STOP_SIGNALS)("%s stays ignored when it was at the start: it neither ends the process nor has its default effect", (signal) => {
    const { source, calls, signals } = world(signal);
    signals.onFirst((cause) => calls.push(`first ${cause.signal}`));
    signals.onSecond((second) => calls.push(`second ${second}`));
    expect(source.emit(signal)).toBe(true);
    expect(calls).toEqual([]);
  });
});

test("a second SIGTERM, SIGINT or SIGQUIT has its default effect; what repeats by itself is swallowed", () => {
  const { source, signals } = world();
  signals.onFirst(() => undefined);
  source.emit("SIGHUP");
  const free = STOP_SIGNALS.filter((signal) => source.listenerCount(signal) === 0);
  expect(free).toEqual(["SIGTERM", "SIGINT", "SIGQUIT"]);
});

test("a second signal can be given something to do first", () => {
  const { source, calls, signals } = world();
  signals.onFirst(() => signals.onSecond((signal) => calls.push(signal)));
  source.emit("SIGTERM");
  source.emit("SIGTERM");
  source.emit("SIGHUP");
  expect(calls).toEqual(["SIGTERM"]);
});

test("SIGUSR1 has a listener of ours, or Node would open its debugger", () => {
  const { source, calls } = world();
  expect(source.emit("SIGUSR1")).toBe(true);
  expect(calls).toEqual([]);
});

test("a cause is told from an error", () => {
  expect([{ signal: "SIGHUP" }, new Error("x"), { signal: "SIGUSR1" }, null].map(isSignalCause)).toEqual([true, false, false, false]);
});

test("a mask of ignored signals is read as the kernel writes it, and anything else is none", () => {
  const read = (mask: string): string[] => [...signalsInMask(mask, constants.signals)];
  expect(read("0000000000000001")).toEqual(["SIGHUP"]);
  expect(read("0000000000000006")).toEqual(["SIGINT", "SIGQUIT"]);
  expect(read("FFFFFFFFFFFFFFFF")).toEqual([...STOP_SIGNALS]);
  for (const odd of ["", "1 2", "-1", "0x1", "10000000000000001"]) expect(read(odd)).toEqual([]);
});
