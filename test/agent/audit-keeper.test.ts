// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { createAuditKeeper, WRITTEN_WITHIN_MS } from "../../src/agent/audit-keeper.ts";
import { createAuditQueue } from "../../src/agent/audit-queue.ts";
import { auditEvent } from "../../src/domain/audit/event.ts";
import { type AuditLine, lineFrom } from "../../src/domain/audit/line.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import { AppError } from "../../src/runtime/errors.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { aHost, aMemory, anIntent, aView, GPU, linked } from "../support/builders.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const DEVICE = "0000:17:00.0";
const ANSWER = { address: DEVICE, resource: GPU, node: null, atMs: 0, epoch: "e", claim: null, kubelet: "k" };

/** A keeper whose jobs run when they are woken, over a disk that does as it is told. */
function aKeeper() {
  const clock = createFakeClock();
  const disk = { lines: [] as AuditLine[], problem: "", isHanging: false, syncs: 0, opens: 0, problems: [] as string[] };
  const stop = new AbortController();
  let release = (): void => undefined;
  const refuse = (): void => {
    if (disk.problem !== "") throw new AppError("AUDIT_UNWRITABLE", disk.problem);
  };
  const audit = {
    agent: "7/9",
    sinceBootMs: () => 5_000,
    async open() {
      disk.opens += 1;
      refuse();
      return disk.lines.length + 1;
    },
    async append(lines: readonly string[]) {
      if (disk.isHanging) await new Promise<void>((resolve) => (release = resolve));
      refuse();
      disk.lines.push(...lines.flatMap((line) => lineFrom(line) ?? []));
    },
    async sync() {
      disk.syncs += 1;
    },
    close: async () => undefined,
  };
  let running: Promise<unknown> | null = null;
  const run = (): void => {
    running ??= keeper.append(stop.signal).finally(() => (running = null));
  };
  const keeper = createAuditKeeper({
    ports: { clock, log: silentLog, audit },
    wakeAppend: () => queueMicrotask(run),
    wakeSync: () => void keeper.sync(stop.signal),
    onProblem: () => disk.problems.push(keeper.problem()),
  });
  const look = (view: Parameters<typeof aView>[0] = {}) =>
    keeper.looked({ intent: anIntent(), ground: groundFrom(aView({ nowMs: clock.nowMs(), ...view })), memory: aMemory() });
  return { clock, disk, keeper, look, run, stop, goOn: () => release(), events: () => disk.lines.map(({ event }) => event) };
}

const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  let isOver = false;
  void promise.then(() => (isOver = true));
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  return isOver;
};

test("a process begins its record with what it found, each line with its number, time and writer", async () => {
  const { clock, disk, look, events } = aKeeper();
  look();
  await clock.settle();
  expect(events()).toEqual(["AgentStarted", "UnitFoundTrusted"]);
  expect(disk.lines.map(({ seq, boot, agent, upMs, time }) => [seq, boot, agent, upMs, time])).toEqual([
    [1, "b7d2", "7/9", 5_000, "2026-01-01T00:00:00.000Z"],
    [2, "b7d2", "7/9", 5_000, "2026-01-01T00:00:00.000Z"],
  ]);
});

test("a process that cannot read its host or its driver has found nothing yet", async () => {
  const { clock, keeper, look, events } = aKeeper();
  const why = { kind: "Unreadable", why: "EIO" } as const;
  look({ host: why });
  look({ driver: why });
  await keeper.end();
  await clock.settle();
  expect(events()).toEqual([]);
  look();
  await clock.settle();
  expect(events()).toEqual(["AgentStarted", "UnitFoundTrusted"]);
});

test("an answer waits until its line is written, and no longer", async () => {
  const { clock, disk, keeper, look, goOn, events } = aKeeper();
  look();
  await clock.settle();
  disk.isHanging = true;
  keeper.did({ kind: "Allocate", answer: ANSWER });
  const answered = keeper.written();
  await clock.settle();
  expect([await isSettled(answered), keeper.problem()]).toEqual([false, ""]);
  disk.isHanging = false;
  goOn();
  await clock.settle();
  expect([await isSettled(answered), events().at(-1), keeper.problem()]).toEqual([true, "DeviceAllocated", ""]);
  expect(clock.pending()).toBe(0);
});

test("a disk that does not answer holds up one answer for a bounded time and no other, and the log says which", async () => {
  const { clock, disk, keeper, look, goOn, events } = aKeeper();
  look();
  await clock.settle();
  disk.isHanging = true;
  keeper.did({ kind: "Allocate", answer: ANSWER });
  const answered = keeper.written();
  await clock.advance(WRITTEN_WITHIN_MS + 1);
  expect([await isSettled(answered), keeper.problem()]).toEqual([true, expect.stringContaining("is slow")]);
  keeper.did({ kind: "Allocate", answer: ANSWER });
  expect(await isSettled(keeper.written())).toBe(true);
  disk.isHanging = false;
  goOn();
  await clock.settle();
  expect(events().slice(2)).toEqual(["DeviceAllocated", "Gap", "DeviceAllocated"]);
  expect([disk.lines.at(3)?.detail, keeper.problem(), disk.problems.at(-1)]).toEqual([
    "an Allocate was answered before its line was written",
    "",
    "",
  ]);
});

describe("a full disk", () => {
  test("refuses nobody an answer, is told, and leaves a gap with what was kept behind it", async () => {
    const { clock, disk, keeper, look, run, events } = aKeeper();
    look();
    await clock.settle();
    disk.problem = "ENOSPC: no space left on device";
    keeper.did({ kind: "Allocate", answer: ANSWER });
    expect(await isSettled(keeper.written())).toBe(true);
    expect(keeper.problem()).toBe(disk.problem);
    expect(disk.problems).toEqual([disk.problem]);
    disk.problem = "";
    run();
    await clock.settle();
    expect(
      events()
        .slice(2)
        .filter((event) => event !== "Gap"),
    ).toEqual(["DeviceAllocated"]);
    expect(events()[2]).toBe("Gap");
    expect(disk.lines.map(({ seq }) => seq)).toEqual(disk.lines.map((_, at) => at + 1));
    expect(keeper.problem()).toBe("");
  });

  test("is tried again", async () => {
    const { clock, disk, keeper, look, stop } = aKeeper();
    disk.problem = "ENOSPC";
    look();
    await clock.settle();
    expect(await keeper.append(stop.signal)).toEqual({ afterMs: expect.any(Number) as number });
  });
});

test("what secured and released a link is synced, and nothing else", async () => {
  const { clock, disk, keeper, look } = aKeeper();
  look();
  keeper.listed([{ resource: GPU, isQuiet: false, devices: [{ id: DEVICE, healthy: true, numaNode: 0 }] }]);
  await clock.settle();
  expect(disk.syncs).toBe(0);
  const secure = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } as const;
  look({ nowMs: 1, host: { kind: "Read", value: aHost(linked(secure)) } });
  await clock.settle();
  expect(disk.syncs).toBe(1);
  look({ nowMs: 2 });
  await clock.settle();
  expect(disk.syncs).toBe(2);
});

test("the end is told, and a disk that does not answer does not keep the process from it", async () => {
  const { clock, disk, keeper, look, run, stop, events } = aKeeper();
  look();
  await clock.settle();
  await keeper.end();
  expect(events().at(-1)).toBe("AgentStopped");
  disk.isHanging = true;
  keeper.did({ kind: "Stop" });
  run();
  const ended = keeper.end();
  await clock.advance(1_001);
  expect(await isSettled(ended)).toBe(true);
  const job = keeper.append(stop.signal);
  stop.abort();
  expect(await isSettled(job)).toBe(true);
});

test("lists tell of healthy devices only", async () => {
  const { clock, keeper, look, events } = aKeeper();
  look();
  keeper.listed([{ resource: GPU, isQuiet: false, devices: [{ id: DEVICE, healthy: true, numaNode: 0 }] }]);
  keeper.listed([{ resource: GPU, isQuiet: false, devices: [{ id: DEVICE, healthy: false, numaNode: 0 }] }]);
  keeper.listed([]);
  await clock.settle();
  expect(events().slice(2)).toEqual(["DeviceOffered", "DeviceWithdrawn"]);
});

test("a queue that is full loses the newest, counts them, and says so in their place", () => {
  const queue = createAuditQueue(3);
  const stamp = { boot: "b", instance: "", agent: "1/1", upMs: 0, time: "" };
  const offered = (address: string) => auditEvent("DeviceOffered", "agent", { address });
  queue.add(["a", "b", "c", "d", "e"].map(offered), stamp);
  const first = queue.next(2);
  queue.written(2);
  queue.add([offered("f")], stamp);
  expect([...first, ...queue.next(9)].map(({ event, address, detail }) => address || `${event}: ${detail}`)).toEqual([
    "a",
    "b",
    "c",
    "Gap: 2 events are lost: they came faster than the log was written",
    "f",
  ]);
});
