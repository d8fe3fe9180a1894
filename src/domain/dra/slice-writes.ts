// SPDX-License-Identifier: Apache-2.0

/**
 * The writes that make the slices of one pool what they are to be. A scheduler looks at the newest generation of a pool only, and at that only when it is
 * complete (k8s.io/dynamic-resource-allocation v0.37.2 `GatherPools`). So what changes one object is written in place, and what changes several makes a new
 * generation, which is seen whole or not at all. Pure.
 */
import type { Address } from "../device.ts";
import type { Pool } from "./pool.ts";
import { arranged } from "./slice-layout.ts";
import { partOf, sliceName } from "./slice-names.ts";
import { isAsWanted, listedIn, type SeenSlice } from "./slice-reading.ts";
import { counterContent, deviceSpec, leftOut, type SliceContent, type SliceSpec, sliceSpec } from "./slice-spec.ts";

export type SliceWrite =
  | { readonly kind: "Create"; readonly name: string; readonly spec: SliceSpec }
  | { readonly kind: "Update"; readonly seen: SeenSlice; readonly spec: SliceSpec }
  | { readonly kind: "Delete"; readonly seen: SeenSlice };

/** One slice of a pool, whatever its generation. */
interface Part {
  readonly name: string;
  readonly content: SliceContent;
}

export interface PoolSeen {
  readonly node: string;
  readonly pool: Pool;
  readonly seen: readonly SeenSlice[];
  readonly dropped: ReadonlySet<string>;
}

export function writesOf(of: PoolSeen): readonly SliceWrite[] {
  const { node, pool, seen, dropped } = of;
  const parts = partsOf(of);
  const byName = new Map(seen.map((slice) => [slice.name, slice]));
  const newest = newestOf(seen);
  const at = (generation: number, { content }: Part): SliceSpec => sliceSpec(node, pool, { generation, count: parts.length }, content);
  const isRight = (part: Part): boolean => {
    const slice = byName.get(part.name);
    return slice !== undefined && slice.generation === newest && isAsWanted(at(newest, part), slice, dropped);
  };
  const right = new Set(parts.filter(isRight).map(({ name }) => name));
  const generation = seen.length > 0 && canStay({ parts, seen, right }) ? newest : newest + 1;
  const kept = generation === newest ? right : new Set<string>();
  const writes = parts
    .filter(({ name }) => !kept.has(name))
    .map((part): SliceWrite => {
      const slice = byName.get(part.name);
      const spec = at(generation, part);
      return slice === undefined ? { kind: "Create", name: part.name, spec } : { kind: "Update", seen: slice, spec };
    });
  const names = new Set(parts.map(({ name }) => name));
  return [...writes, ...deletes(seen.filter(({ name }) => !names.has(name)))];
}

/**
 * The newest generation can be gone on with: when all that is there of it is right and the rest is missing, as a kubelet leaves it that deletes slices, or
 * an agent that ended in between (it is complete with the last write); or when one slice is all that is wrong with it.
 */
function canStay({ parts, seen, right }: { parts: readonly Part[]; seen: readonly SeenSlice[]; right: ReadonlySet<string> }): boolean {
  const newest = newestOf(seen);
  const wrong = seen.filter(({ name, generation }) => generation === newest && !right.has(name));
  const [only, ...more] = wrong;
  if (only === undefined) return true;
  const isAllElseRight = right.size === parts.length - 1 && parts.some(({ name }) => name === only.name);
  return more.length === 0 && only.sliceCount === parts.length && isAllElseRight;
}

/** After all of its slices have been deleted. */
export function anew(of: PoolSeen): readonly SliceWrite[] {
  const { node, pool, seen } = of;
  const parts = partsOf({ ...of, seen: [] });
  const generation = newestOf(seen) + 1;
  return parts.map(({ name, content }) => ({ kind: "Create", name, spec: sliceSpec(node, pool, { generation, count: parts.length }, content) }));
}

/** The counters stand in a slice of their own, first. */
function partsOf({ node, pool, seen, dropped }: PoolSeen): readonly Part[] {
  const out = leftOut(dropped);
  const oldest = [...seen].sort((a, b) => a.generation - b.generation);
  const before = new Map(
    oldest.flatMap((slice): readonly [Address, number][] => {
      const part = partOf(node, pool.name, slice.name);
      return part === null ? [] : listedIn([slice]).map(({ address }) => [address, part]);
    }),
  );
  const devices = [...arranged(pool.devices, before)].map(([part, there]): Part => {
    return { name: sliceName(node, pool.name, part), content: { devices: there.map((device) => deviceSpec(device, out)) } };
  });
  if (pool.streams === null || out.has("sharedCounters")) return devices;
  return [{ name: sliceName(node, pool.name, "counters"), content: counterContent(pool.streams) }, ...devices];
}

/** The oldest first: were the newest generation gone, what is left of an older one would count again. */
export function deletes(seen: readonly SeenSlice[]): readonly SliceWrite[] {
  return [...seen].sort((a, b) => a.generation - b.generation).map((slice) => ({ kind: "Delete", seen: slice }));
}

function newestOf(seen: readonly SeenSlice[]): number {
  return Math.max(0, ...seen.map(({ generation }) => generation));
}
