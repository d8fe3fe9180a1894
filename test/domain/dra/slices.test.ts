// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { draDeviceName } from "../../../src/domain/dra/names.ts";
import type { Pool, PoolDevice } from "../../../src/domain/dra/pool.ts";
import { devicesIn } from "../../../src/domain/dra/slice-spec.ts";
import { droppedFields, listedIn, planSlices, type SeenSlice, type SliceWrite } from "../../../src/domain/dra/slices.ts";

const NODE = "n1";
const NONE: ReadonlySet<string> = new Set();

function aDevice(bus: number, fn: number, overrides: Partial<PoolDevice> = {}): PoolDevice {
  const slot = `0000:${bus.toString(16).padStart(2, "0")}:00`;
  return {
    address: `${slot}.${fn}`,
    owner: `${slot}.0`,
    attributes: { vendor: "10de" },
    streams: 1,
    taints: [],
    bindsWhenSecured: false,
    ...overrides,
  };
}

const TAINT = { key: "teeio.dev/withheld", value: "UnitNotTrusted", effect: "NoSchedule", timeAdded: "2026-01-01T00:00:00Z" } as const;

const device = fc.record({ isThere: fc.boolean(), isTainted: fc.boolean(), binds: fc.boolean(), fns: fc.integer({ min: 1, max: 3 }) });
const pool = (name: string, firstBus: number, most: number): fc.Arbitrary<Pool> =>
  fc.record({ slots: fc.array(device, { maxLength: most }), streams: fc.option(fc.integer({ min: 0, max: 4 })) }).map(({ slots, streams }) => ({
    name,
    streams,
    devices: slots.flatMap(({ isThere, isTainted, binds, fns }, index) =>
      isThere
        ? Array.from({ length: fns }, (_, fn) => aDevice(firstBus + index, fn, { taints: isTainted ? [TAINT] : [], bindsWhenSecured: binds }))
        : [],
    ),
  }));
/** Pools of two host bridges; one of them may be long enough for several slices. */
const pools = fc
  .tuple(pool(`${NODE}/pci0000-16`, 0x10, 60), pool(`${NODE}/pci0000-97`, 0x80, 3))
  .map((both) => both.filter(({ devices }) => devices.length > 0));

/** The API server, which does what it is told. */
function applied(seen: readonly SeenSlice[], write: SliceWrite): readonly SeenSlice[] {
  if (write.kind === "Delete") return seen.filter(({ name }) => name !== write.seen.name);
  const name = write.kind === "Create" ? write.name : write.seen.name;
  const spec = structuredClone(write.spec) as { pool: { name: string; generation: number; resourceSliceCount: number } };
  const { pool: place } = spec;
  const slice = { name, uid: name, resourceVersion: "1", pool: place.name, generation: place.generation, sliceCount: place.resourceSliceCount, spec };
  return [...seen.filter((one) => one.name !== name), slice];
}

/** What a scheduler may give away: untainted devices of pools whose slices of the highest generation are all there, with their counter. */
function usable(seen: readonly SeenSlice[]): ReadonlySet<string> {
  return new Set(
    [...Map.groupBy(seen, ({ pool: name }) => name).values()].flatMap((slices) => {
      const generation = Math.max(...slices.map((one) => one.generation));
      const current = slices.filter((one) => one.generation === generation);
      if (current.some(({ sliceCount }) => sliceCount !== current.length)) return [];
      return current.flatMap(({ spec }) => devicesIn(spec)).flatMap((one) => (one["taints"] === undefined ? [String(one["name"])] : []));
    }),
  );
}

const free = (wanted: readonly Pool[]): ReadonlySet<string> =>
  new Set(wanted.flatMap(({ devices }) => devices.flatMap(({ address, taints }) => (taints.length === 0 ? [draDeviceName(address)] : []))));
const all = (seen: readonly SeenSlice[], writes: readonly SliceWrite[]): readonly SeenSlice[] => writes.reduce(applied, seen);
const published = (wanted: readonly Pool[]): readonly SeenSlice[] => all([], planSlices(NODE, wanted, [], NONE));

describe("slices of a node", () => {
  it("come from any state to what is wanted, and rest there", () => {
    fc.assert(
      fc.property(pools, pools, (before, after) => {
        const seen = all(published(before), planSlices(NODE, after, published(before), NONE));
        expect(usable(seen)).toEqual(free(after));
        expect(planSlices(NODE, after, seen, NONE)).toEqual([]);
      }),
    );
  });

  it("never show a scheduler, in between, a device that is free neither before nor after", () => {
    fc.assert(
      fc.property(pools, pools, (before, after) => {
        let seen = published(before);
        const may = new Set([...free(before), ...free(after)]);
        for (const write of planSlices(NODE, after, seen, NONE)) {
          seen = applied(seen, write);
          expect([...usable(seen)].filter((name) => !may.has(name))).toEqual([]);
        }
      }),
    );
  });

  it("are planned anew from wherever a crash has left them", () => {
    fc.assert(
      fc.property(pools, pools, fc.nat(6), (before, after, steps) => {
        const left = all(published(before), planSlices(NODE, after, published(before), NONE).slice(0, steps));
        const seen = all(left, planSlices(NODE, after, left, NONE));
        expect(usable(seen)).toEqual(free(after));
      }),
    );
  });

  it("keep the limits of the API server: 64 devices in one, counters apart from devices, and never a counter that is not there", () => {
    fc.assert(
      fc.property(pools, (wanted) => {
        for (const slices of Map.groupBy(published(wanted), ({ pool: name }) => name).values()) {
          const counters = slices.flatMap(({ spec }) => (spec as { sharedCounters?: readonly { name: string }[] }).sharedCounters ?? []);
          for (const { spec } of slices) {
            const devices = devicesIn(spec);
            expect(devices.length).toBeLessThanOrEqual(64);
            if (devices.length > 0) expect(spec).not.toHaveProperty("sharedCounters");
            for (const one of devices as readonly { consumesCounters?: readonly { counterSet: string }[] }[])
              for (const { counterSet } of one.consumesCounters ?? []) expect(counters.map(({ name }) => name)).toContain(counterSet);
          }
        }
      }),
    );
  });

  it("change one object for one taint, in its generation, and the slices of no other pool", () => {
    const wanted = [
      { name: `${NODE}/pci0000-16`, streams: 2, devices: [aDevice(0x17, 0), aDevice(0x18, 0)] },
      { name: `${NODE}/pci0000-97`, streams: 1, devices: [aDevice(0x98, 0)] },
    ];
    const tainted = wanted.with(0, { name: `${NODE}/pci0000-16`, streams: 2, devices: [aDevice(0x17, 0, { taints: [TAINT] }), aDevice(0x18, 0)] });
    const [write, ...others] = planSlices(NODE, tainted, published(wanted), NONE);
    expect(others).toEqual([]);
    expect(write).toMatchObject({
      kind: "Update",
      seen: { name: "n1-pci0000-16-1.teeio.dev" },
      spec: { pool: { generation: 1, resourceSliceCount: 2 } },
    });
  });

  it("take away before they give", () => {
    const [a, b] = [aDevice(0x17, 0), aDevice(0x98, 0)];
    const before = [{ name: `${NODE}/pci0000-97`, streams: null, devices: [b] }];
    const after = [{ name: `${NODE}/pci0000-16`, streams: null, devices: [a] }];
    expect(planSlices(NODE, after, published(before), NONE).map(({ kind }) => kind)).toEqual(["Delete", "Create"]);
  });

  it("do not fight over what the API server does not keep", () => {
    const wanted = [{ name: `${NODE}/pci0000-16`, streams: 2, devices: [aDevice(0x17, 0, { taints: [TAINT], bindsWhenSecured: true })] }];
    const seen = published(wanted);
    const sent = seen[1]?.spec as object;
    const kept = { ...sent, devices: devicesIn(sent).map(({ name, attributes }) => ({ name, attributes })) };
    const dropped = droppedFields(sent, kept);
    expect(dropped).toEqual(["taints", "consumesCounters", "bindingConditions", "bindingFailureConditions"]);
    const there = seen.map((one) => ({ ...one, spec: one.name === seen[1]?.name ? kept : one.spec }));
    expect(planSlices(NODE, wanted, there, new Set(dropped))).toEqual([]);
    expect(planSlices(NODE, wanted, there, NONE)).toHaveLength(1);
  });

  it("tell what is listed, with taints and streams", () => {
    const wanted = [{ name: `${NODE}/pci0000-16`, streams: 2, devices: [aDevice(0x17, 0), aDevice(0x17, 1, { streams: 0, taints: [TAINT] })] }];
    expect(listedIn(published(wanted))).toEqual([
      { address: "0000:17:00.0", pool: `${NODE}/pci0000-16`, taints: [], streams: 1 },
      { address: "0000:17:00.1", pool: `${NODE}/pci0000-16`, taints: [TAINT], streams: 0 },
    ]);
  });

  it("have names that are DNS subdomains, however long the node's is, and different for different nodes", () => {
    const names = ["a", "b"].map((end) => {
      const node = `${"n".repeat(250)}${end}`;
      const [write] = planSlices(node, [{ name: `${node}/pci0000-16`, streams: null, devices: [aDevice(0x17, 0)] }], [], NONE);
      return write?.kind === "Create" ? write.name : "";
    });
    for (const name of names) expect(name).toMatch(/^(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])$/);
    expect(new Set(names).size).toBe(2);
  });
});
