// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import type { Placement } from "../port.ts";

export interface PreferredRequest {
  readonly available: readonly Address[];
  readonly mustInclude: readonly Address[];
  readonly size: number;
}

interface Group {
  readonly unit: string;
  readonly numaNode: number | null;
  readonly ids: Address[];
}

/**
 * Which of the available devices a container should get: those of as few units as possible (one CLEAR, one fault touches fewer pods), within
 * that as few NUMA nodes, leaving large units whole. Pure, deterministic, whatever the order of the request; contains all of `mustInclude`
 * and never more than `size` ids unless mustInclude has more. A hint only: kubelet repairs a wrong answer.
 */
export function preferDevices(request: PreferredRequest, placementOf: (id: Address) => Placement | null): readonly Address[] {
  const chosen = unique(request.mustInclude);
  const groups = groupByUnit(
    unique(request.available).filter((id) => !chosen.includes(id)),
    placementOf,
  );
  const units = new Set(chosen.map((id) => unitOf(id, placementOf)));
  const nodes = new Set(chosen.map((id) => placementOf(id)?.numaNode ?? null).filter((node) => node !== null));
  while (chosen.length < request.size && groups.length > 0) {
    const missing = request.size - chosen.length;
    groups.sort((a, b) => compareGroups(a, b, { missing, units, nodes }));
    const best = groups.shift();
    if (!best) break;
    chosen.push(...best.ids.slice(0, missing));
    units.add(best.unit);
    if (best.numaNode !== null) nodes.add(best.numaNode);
  }
  return chosen.sort();
}

function unique(ids: readonly Address[]): Address[] {
  return [...new Set(ids)].sort();
}

function unitOf(id: Address, placementOf: (id: Address) => Placement | null): string {
  return placementOf(id)?.unit ?? `unknown ${id}`;
}

function groupByUnit(ids: readonly Address[], placementOf: (id: Address) => Placement | null): Group[] {
  const groups = new Map<string, Group>();
  for (const id of ids) {
    const unit = unitOf(id, placementOf);
    const group = groups.get(unit) ?? { unit, numaNode: placementOf(id)?.numaNode ?? null, ids: [] };
    group.ids.push(id);
    groups.set(unit, group);
  }
  return [...groups.values()];
}

interface Progress {
  readonly missing: number;
  readonly units: ReadonlySet<string>;
  readonly nodes: ReadonlySet<number>;
}

/** Units in use first, then one that holds all that is missing (the smallest such), else the largest; NUMA nodes in use break ties before size. */
function compareGroups(a: Group, b: Group, progress: Progress): number {
  const rank = (group: Group): number[] => {
    const fits = group.ids.length >= progress.missing;
    const used = group.numaNode !== null && progress.nodes.has(group.numaNode);
    const size = fits ? group.ids.length : -group.ids.length;
    return [progress.units.has(group.unit) ? 0 : 1, fits ? 0 : 1, ...(fits ? [used ? 0 : 1, size] : [size, used ? 0 : 1])];
  };
  const [left, right] = [rank(a), rank(b)];
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return (a.ids[0] ?? "") < (b.ids[0] ?? "") ? -1 : 1;
}
