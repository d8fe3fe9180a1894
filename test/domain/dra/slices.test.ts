// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { draDeviceName, poolName } from "../../../src/domain/dra/names.ts";
import type { DeviceTaint, Pool, PoolDevice } from "../../../src/domain/dra/pool.ts";
import { poolProblem } from "../../../src/domain/dra/pool-problem.ts";
import { partOf, sliceName } from "../../../src/domain/dra/slice-names.ts";
import { droppedFields, listedIn, planSlices, poolsProblem, type SliceWrite } from "../../../src/domain/dra/slices.ts";
import { SliceServer } from "./slice-server.ts";

const NODE = "n1";
const NOTHING: ReadonlySet<string> = new Set();
const TAINT: DeviceTaint = { key: "teeio.dev/withheld", value: "UnitNotTrusted", effect: "NoSchedule", timeAdded: "2026-01-02T03:04:05Z" };

/** Function `fn` (0 to 7) of slot `slot`. */
function device(slot: number, fn = 0, overrides: Partial<PoolDevice> = {}): PoolDevice {
  const [bus, at] = [0x20 + (slot >> 5), slot & 31].map((part) => part.toString(16).padStart(2, "0"));
  const address = `0000:${bus}:${at}.${fn}`;
  const attributes = { "resource.kubernetes.io/pciBusID": address, numaNode: 0 };
  return { address, owner: `0000:${bus}:${at}.0`, attributes, streams: 1, taints: [], bindsWhenSecured: true, ...overrides };
}

function pool(devices: readonly PoolDevice[], streams: number | null = 4, bridge = "pci0000:16"): Pool {
  return { name: poolName(NODE, bridge), devices: streams === null ? devices.map((one) => ({ ...one, streams: 0 })) : devices, streams };
}

function publish(server: SliceServer, pools: readonly Pool[], dropped = NOTHING): readonly SliceWrite[] {
  const writes = planSlices(NODE, pools, server.seen(), dropped);
  for (const write of writes) server.apply(write);
  return writes;
}

const kinds = (writes: readonly SliceWrite[]): readonly string[] => writes.map(({ kind }) => kind);
const slots = (count: number): readonly PoolDevice[] => Array.from({ length: count }, (_, slot) => device(slot));

describe("one change", () => {
  const before = slots(3);
  const changed = (one: Partial<PoolDevice>): readonly PoolDevice[] => before.map((other, at) => (at === 1 ? { ...other, ...one } : other));

  it("of a taint or of what a device takes is one write in place, and that of the counter, too", () => {
    const server = new SliceServer();
    expect(kinds(publish(server, [pool(before)]))).toEqual(["Create", "Create"]);
    for (const next of [pool(changed({ taints: [TAINT] })), pool(changed({ streams: 0 })), pool(changed({ streams: 0 }), 3)]) {
      expect(kinds(publish(server, [next]))).toEqual(["Update"]);
      expect(new Set(server.seen().map(({ generation }) => generation))).toEqual(new Set([1]));
    }
  });

  it("of both makes a new generation, of two slices", () => {
    const server = new SliceServer();
    publish(server, [pool(before)]);
    expect(kinds(publish(server, [pool(changed({ streams: 0 }), 3)]))).toEqual(["Update", "Update"]);
    expect(new Set(server.seen().map(({ generation }) => generation))).toEqual(new Set([2]));
  });

  it("of the devices of one slice leaves those of the others where they are", () => {
    const server = new SliceServer();
    publish(server, [pool(slots(150))]);
    expect(server.seen()).toHaveLength(4);
    expect(kinds(publish(server, [pool(slots(150).slice(1))]))).toEqual(["Update"]);
    expect(kinds(publish(server, [pool([...slots(150).slice(1), device(200)])]))).toEqual(["Update"]);
  });

  it("by which there is one slice more or less makes a new generation", () => {
    const server = new SliceServer();
    publish(server, [pool(slots(64))]);
    expect(kinds(publish(server, [pool(slots(65))]))).toEqual(["Update", "Update", "Create"]);
    expect(kinds(publish(server, [pool(slots(64))]))).toEqual(["Update", "Update", "Delete"]);
    expect(new Set(server.seen().map(({ generation }) => generation))).toEqual(new Set([3]));
  });
});

it("brings deleted slices back as they were, and all of a pool of which none is left", () => {
  const server = new SliceServer();
  publish(server, [pool(slots(3))]);
  const before = server.specs();
  server.wipe(1);
  expect(kinds(publish(server, [pool(slots(3))]))).toEqual(["Create"]);
  expect(server.specs()).toEqual(before);
  server.wipe(0);
  server.wipe(0);
  expect(kinds(publish(server, [pool(slots(3))]))).toEqual(["Create", "Create"]);
  expect(kinds(publish(server, []))).toEqual(["Delete", "Delete"]);
});

it("takes away before it gives", () => {
  const server = new SliceServer();
  const [one, other] = [device(0), device(80)];
  publish(server, [pool([one]), pool([other, device(81)], 4, "pci0000:17")]);
  const poolsWritten = (pools: readonly Pool[]): readonly string[] =>
    planSlices(NODE, pools, server.seen(), NOTHING).map((write) => (write.kind === "Create" ? write.name : write.seen.pool));
  const more = pool([one, device(1)]);
  expect(poolsWritten([more, pool([other], 4, "pci0000:17")])).toEqual(["n1/pci0000-17", "n1/pci0000-16"]);
  expect(poolsWritten([more, pool([{ ...other, taints: [TAINT] }, device(81)], 4, "pci0000:17")])).toEqual(["n1/pci0000-17", "n1/pci0000-16"]);
  expect(poolsWritten([more])).toEqual(["n1/pci0000-17", "n1/pci0000-17", "n1/pci0000-16"]);
});

it("lets no older generation count again while it withdraws a pool", () => {
  const server = new SliceServer();
  publish(server, [pool([device(0)], null)]);
  // Killed after the first slice of the next generation.
  server.apply(planSlices(NODE, [pool([device(0)])], server.seen(), NOTHING)[0]!);
  for (const write of planSlices(NODE, [], server.seen(), NOTHING)) {
    expect(server.visible().size).toBe(0);
    server.apply(write);
  }
  expect(server.seen()).toEqual([]);
});

it("keeps what it does not know, and the times of taints, out of the comparison", () => {
  const server = new SliceServer();
  const tainted = (timeAdded: string) => [pool([device(0, 0, { taints: [{ ...TAINT, timeAdded }] })])];
  publish(server, tainted("2026-01-02T03:04:05Z"));
  expect(publish(server, tainted("2026-01-02T03:04:05.678Z"))).toEqual([]);
  expect(kinds(publish(server, tainted("2026-01-02T03:04:06Z")))).toEqual(["Update"]);
});

it("notices what the API server drops, and does without", () => {
  const drops = new Set(["taints", "sharedCounters", "consumesCounters", "bindingConditions", "bindingFailureConditions"]);
  const server = new SliceServer(drops);
  const wanted = [pool([device(0, 0, { taints: [TAINT] }), device(1)])];
  const sent = publish(server, wanted);
  const dropped = new Set(
    sent.flatMap((write) => (write.kind === "Create" ? droppedFields(write.spec, server.seen().find(({ name }) => name === write.name)?.spec) : [])),
  );
  expect(dropped).toEqual(drops);
  publish(server, wanted, dropped);
  expect(publish(server, wanted, dropped)).toEqual([]);
  expect(server.specs().map(({ devices }) => devices?.map((one) => Object.keys(one)))).toEqual([
    [
      ["name", "attributes"],
      ["name", "attributes"],
    ],
  ]);
  expect(server.visible().get("n1/pci0000-16")?.devices).toHaveLength(2);
});

it("reads devices, taints and streams back", () => {
  const server = new SliceServer();
  publish(server, [pool([device(0, 0, { taints: [TAINT] }), device(1, 0, { streams: 0 })])]);
  expect(listedIn(server.seen())).toEqual([
    { address: device(0).address, pool: "n1/pci0000-16", taints: [TAINT], streams: 1 },
    { address: device(1).address, pool: "n1/pci0000-16", taints: [], streams: 0 },
  ]);
  const [seen] = server.seen();
  expect(
    listedIn([
      { ...seen!, spec: null },
      { ...seen!, spec: { devices: ["", { name: "gpu-0" }, { name: 1 }] } },
    ]),
  ).toEqual([]);
});

it.each<[string, Pool]>([
  ["a counter that is not there", { ...pool([device(0)]), streams: null }],
  ["a negative counter", pool([device(0)], -1)],
  ["a long string", pool([device(0, 0, { attributes: { resource: "x".repeat(65) } })])],
  ["an attribute's name", pool([device(0, 0, { attributes: { "no-identifier": 1 } })])],
  ["half a number", pool([device(0, 0, { attributes: { numaNode: 0.5 } })])],
  ["attributes", pool([device(0, 0, { attributes: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`a${at}`, at])) })])],
  ["taints", pool([device(0, 0, { taints: Array.from({ length: 17 }, (_, at) => ({ ...TAINT, key: `teeio.dev/t${at}` })) })])],
  ["a taint's value", pool([device(0, 0, { taints: [{ ...TAINT, value: "not a label" }] })])],
  ["a name", { ...pool([device(0)]), name: `${"n".repeat(250)}/pci0000-16` }],
  ["one device twice", pool([device(0), device(0)])],
])("withdraws a pool with a limit broken: %s", (_, broken) => {
  expect(poolProblem(broken)).not.toBe("");
  const server = new SliceServer();
  const other = pool([device(9)], 1, "pci0000:17");
  publish(
    server,
    [{ ...pool([device(0)]), name: broken.name }, other].filter((one) => poolProblem(one) === ""),
  );
  publish(server, [broken, other]);
  expect([...server.visible().keys()]).toEqual([other.name]);
  expect(poolsProblem([broken, other])).toContain(poolProblem(broken));
});

test("what is withdrawn is told with pool, device, field and value", () => {
  const long = pool([device(0, 0, { attributes: { "teeio.dev/resource": "x".repeat(65) } })]);
  const { name } = long;
  expect(poolsProblem([long])).toContain(
    `pool ${name}: device 0000:20:00.0: attribute teeio.dev/resource is "${"x".repeat(65)}", 65 bytes: at most 64 can be`,
  );
  expect(poolsProblem([long])).toContain("No device of such a pool is offered");
  const other = pool([device(0)], 4, "pci0000:17");
  expect(poolsProblem([pool([device(0)]), other])).toContain(`pool ${other.name}: 0000:20:00.0 is in an earlier pool, too`);
  expect(poolsProblem([long, other])).not.toContain(other.name);
  expect(poolsProblem([pool([device(0)]), pool([], 4, "pci0000:17")])).toBe("");
});

it("gives slices names that fit, and that differ", () => {
  const long = "n".repeat(240);
  const names = [NODE, long, `${long}2`].flatMap((node) =>
    ["pci0000:16", "pci0000:17"].flatMap((bridge) => [0, 1].map((part) => sliceName(node, poolName(node, bridge), part))),
  );
  expect(names[0]).toBe("n1-teeio.dev-pci0000-16-0");
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) {
    expect(name.length).toBeLessThanOrEqual(253);
    expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  }
  expect([partOf(NODE, "n1/pci0000-16", names[1]!), partOf(NODE, "n1/pci0000-16", "n1-teeio.dev-pci0000-16-counters")]).toEqual([1, null]);
  expect(partOf(long, poolName(long, "pci0000:16"), names[5]!)).toBe(1);
});

const BRIDGES = ["pci0000:16", "pci0000:17", "pci0000:18"] as const;

/** Some of 90 slots, some with several functions, on three bridges. Most of them do not change from one to the next. */
const anyPools = fc
  .array(
    fc.record({
      from: fc.nat(89),
      count: fc.integer({ min: 1, max: 80 }),
      fns: fc.constantFrom(1, 1, 3),
      bridge: fc.nat(2),
      tainted: fc.boolean(),
      taken: fc.boolean(),
    }),
    { maxLength: 4 },
  )
  .chain((runs) => fc.tuple(fc.constant(runs), fc.array(fc.option(fc.nat(9), { freq: 4 }), { minLength: 3, maxLength: 3 })))
  .map(([runs, streams]) => {
    const on = new Map<string, [number, PoolDevice]>();
    for (const { from, count, fns, bridge, tainted, taken } of runs)
      for (let slot = from; slot < Math.min(from + count, 90); slot += 1)
        for (let fn = 0; fn < fns; fn += 1) {
          const one = device(slot, fn, { taints: tainted && slot % 3 === 0 ? [TAINT] : [], streams: taken && fn > 0 ? 0 : 1 });
          on.set(one.address, [bridge, one]);
        }
    const all = [...on.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
    return BRIDGES.map((bridge, at) =>
      pool(
        all.filter(([of]) => of === at).map(([, one]) => one),
        streams[at] ?? null,
        bridge,
      ),
    );
  });

/** What happened before: pools published as a whole or in part, and slices deleted by others. */
const anyPast = fc.array(fc.record({ pools: anyPools, writes: fc.nat(12), wipes: fc.array(fc.nat(6), { maxLength: 2 }) }), { maxLength: 3 });

function serverAfter(past: readonly { readonly pools: readonly Pool[]; readonly writes: number; readonly wipes: readonly number[] }[]): SliceServer {
  const server = new SliceServer();
  for (const { pools, writes, wipes } of past) {
    for (const write of planSlices(NODE, pools, server.seen(), NOTHING).slice(0, writes)) server.apply(write);
    for (const at of wipes) server.wipe(at);
  }
  return server;
}

/** `pool device`. */
function shown(server: SliceServer): ReadonlySet<string> {
  return new Set([...server.visible()].flatMap(([name, { devices }]) => devices.map((one) => `${name} ${one.name}`)));
}

function expectAsWanted(server: SliceServer, pools: readonly Pool[]): void {
  const visible = server.visible();
  const wanted = pools.filter(({ devices }) => devices.length > 0);
  expect([...visible.keys()].sort()).toEqual(wanted.map(({ name }) => name).sort());
  for (const { name, devices, streams } of wanted) {
    const there = visible.get(name)!;
    expect(there.streams).toBe(streams);
    expect(there.devices.map((one) => [one.name, one.taints ?? [], one.consumesCounters?.length ?? 0]).sort()).toEqual(
      devices.map((one) => [draDeviceName(one.address), one.taints, one.streams]).sort(),
    );
  }
  for (const { devices = [], sharedCounters } of server.specs()) {
    expect(devices.length).toBeLessThanOrEqual(64);
    if (sharedCounters) expect(devices).toEqual([]);
  }
  for (const { name, devices } of wanted) {
    const slices = server.seen().filter((slice) => slice.pool === name);
    const owners = slices.map((slice) => new Set(listedIn([slice]).map(({ address }) => `${address.slice(0, -1)}0`)));
    for (const { owner } of devices) expect(owners.filter((slice) => slice.has(owner))).toHaveLength(1);
  }
}

describe("whatever was there before", () => {
  it("no prefix of the writes shows what is neither shown before nor wanted, nor a device in two pools; the whole shows what is wanted", () => {
    fc.assert(
      fc.property(anyPast, anyPools, (past, pools) => {
        const server = serverAfter(past);
        const before = shown(server);
        const wanted = new Set(pools.flatMap(({ name, devices }) => devices.map(({ address }) => `${name} ${draDeviceName(address)}`)));
        const names = (all: ReadonlySet<string>): readonly string[] => [...all].map((one) => one.split(" ")[1]!);
        const isOnce = (all: ReadonlySet<string>): boolean => new Set(names(all)).size === all.size;
        const wasOnce = isOnce(before);
        for (const write of planSlices(NODE, pools, server.seen(), NOTHING)) {
          server.apply(write);
          const now = shown(server);
          expect([...now].filter((one) => !before.has(one) && !wanted.has(one))).toEqual([]);
          if (wasOnce) expect(isOnce(now)).toBe(true);
        }
        expectAsWanted(server, pools);
        expect(planSlices(NODE, pools, server.seen(), NOTHING)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("an agent that is killed after each write comes to the same end", () => {
    fc.assert(
      fc.property(anyPast, anyPools, (past, pools) => {
        const server = serverAfter(past);
        for (let left = 60; left > 0; left -= 1) {
          const [write] = planSlices(NODE, pools, server.seen(), NOTHING);
          if (write === undefined) break;
          server.apply(write);
        }
        expectAsWanted(server, pools);
      }),
      { numRuns: 150 },
    );
  });
});

it("writes at most two slices when one device's link changes", () => {
  const change = fc.record({ at: fc.nat(63), taint: fc.boolean(), streams: fc.constantFrom(0 as const, 1 as const), left: fc.nat(8) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(change, { minLength: 1, maxLength: 5 }), (count, changes) => {
      const server = new SliceServer();
      const other = pool([device(80)], 1, "pci0000:17");
      publish(server, [pool(slots(count)), other]);
      let devices = slots(count);
      for (const { at, taint, streams, left } of changes) {
        devices = devices.map((one, index) => (index === at % count ? { ...one, streams, taints: taint ? [TAINT] : [] } : one));
        expect(publish(server, [pool(devices, left), other]).length).toBeLessThanOrEqual(2);
      }
    }),
  );
});
