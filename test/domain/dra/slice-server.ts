// SPDX-License-Identifier: Apache-2.0

/** A model of what an API server keeps of slices, and of what a scheduler sees of them (k8s.io/dynamic-resource-allocation v0.37.2 `GatherPools`). */
import { expect } from "vitest";
import type { DeviceSpec } from "../../../src/domain/dra/slice-spec.ts";
import type { SeenSlice, SliceWrite } from "../../../src/domain/dra/slices.ts";

interface KeptSpec {
  readonly driver: string;
  readonly nodeName: string;
  readonly pool: { readonly name: string; readonly generation: number; readonly resourceSliceCount: number };
  readonly devices?: readonly DeviceSpec[];
  readonly sharedCounters?: readonly { readonly name: string; readonly counters: Readonly<Record<string, { readonly value: string }>> }[];
}

export class SliceServer {
  readonly #kept = new Map<string, { readonly version: number; readonly uid: string; readonly spec: KeptSpec }>();
  readonly #drops: ReadonlySet<string>;
  #version = 0;

  constructor(drops: ReadonlySet<string> = new Set()) {
    this.#drops = drops;
  }

  copy(): SliceServer {
    const other = new SliceServer(this.#drops);
    for (const [name, slice] of this.#kept) other.#kept.set(name, slice);
    other.#version = this.#version;
    return other;
  }

  seen(): readonly SeenSlice[] {
    return [...this.#kept].map(([name, { version, uid, spec }]) => ({
      name,
      resourceVersion: String(version),
      uid,
      pool: spec.pool.name,
      generation: spec.pool.generation,
      sliceCount: spec.pool.resourceSliceCount,
      spec,
    }));
  }

  /** As the API server does it, with its refusals as failures of the test. */
  apply(write: SliceWrite): void {
    this.#version += 1;
    if (write.kind === "Create") {
      expect(this.#kept.has(write.name)).toBe(false);
      expect(write.name).toMatch(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
      this.#kept.set(write.name, { version: this.#version, uid: `u${this.#version}`, spec: this.#without(write.spec as KeptSpec) });
      return;
    }
    const { name, resourceVersion, uid } = write.seen;
    const there = this.#kept.get(name);
    expect({ version: String(there?.version), uid: there?.uid }).toEqual({ version: resourceVersion, uid });
    if (write.kind === "Delete") this.#kept.delete(name);
    else {
      const spec = this.#without(write.spec as KeptSpec);
      expect([spec.pool.name, spec.nodeName, spec.driver]).toEqual([there?.spec.pool.name, there?.spec.nodeName, there?.spec.driver]);
      this.#kept.set(name, { version: this.#version, uid, spec });
    }
  }

  /** Somebody else deletes the slice with this number. */
  wipe(at: number): void {
    const name = [...this.#kept.keys()][at];
    if (name !== undefined) this.#kept.delete(name);
  }

  specs(): readonly KeptSpec[] {
    return [...this.#kept.values()].map(({ spec }) => spec);
  }

  /** What can be given away of each pool that is complete. */
  visible(): ReadonlyMap<string, { readonly devices: readonly DeviceSpec[]; readonly streams: number | null }> {
    const pools = [...Map.groupBy(this.specs(), ({ pool }) => pool.name)].map(([name, slices]) => {
      const newest = Math.max(...slices.map(({ pool }) => pool.generation));
      const current = slices.filter(({ pool }) => pool.generation === newest);
      const isComplete = current.every(({ pool }) => pool.resourceSliceCount === current.length);
      const devices = current.flatMap((slice) => slice.devices ?? []);
      const counters = current.flatMap((slice) => slice.sharedCounters ?? []);
      const value = counters[0]?.counters["ide-streams"]?.value;
      const sets = new Set(counters.map((set) => set.name));
      const isUsable = isComplete && devices.every(({ consumesCounters = [] }) => consumesCounters.every(({ counterSet }) => sets.has(counterSet)));
      return [name, { isUsable, devices, streams: value === undefined ? null : Number(value) }] as const;
    });
    return new Map(pools.filter(([, { isUsable }]) => isUsable));
  }

  #without({ devices, sharedCounters, ...spec }: KeptSpec): KeptSpec {
    const kept = devices?.map(
      (device) => Object.fromEntries(Object.entries(device).filter(([field]) => !this.#drops.has(field))) as unknown as DeviceSpec,
    );
    const counters = this.#drops.has("sharedCounters") ? undefined : sharedCounters;
    // Fields in another order, and what is empty is not shown.
    return { ...(kept?.length ? { devices: kept } : {}), ...(counters ? { sharedCounters: counters } : {}), ...spec };
  }
}
