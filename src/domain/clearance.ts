// SPDX-License-Identifier: Apache-2.0

/** What stands between a unit and CLEAR. */
import type { Address } from "./device.ts";
import type { Ground, UnitFact } from "./ground.ts";
import { accountedNames, type HoldMemory, isStillShown } from "./holds.ts";
import { type SpecsInPlace, specsOf, specUses } from "./specs.ts";
import type { RegBase } from "./unit.ts";
import { type BelowTest, belowTest, type Use, usesOf } from "./use.ts";

/** What must be known over time for that. */
export interface ClearanceMemory extends HoldMemory {
  readonly specs: SpecsInPlace;
}

/** There is something to clear: an id, or trust whose id the kernel keeps to itself. */
export function isSetUp({ entry, epoch }: UnitFact): boolean {
  return entry.tdxIommuId !== null || epoch !== null;
}

/**
 * The unit has an id and no trust: a CLEAR failed, or the TDX module was out of reach for a while. No SETUP can take such an id back, so it is
 * cleared to the end before the unit is set up again, whatever the intent: an id is never left lying (I6).
 */
export function isStranded({ entry }: UnitFact): boolean {
  return entry.tdxIommuId !== null && (entry.state === "Failed" || entry.state === "Unknown");
}

/** What stands between a unit and CLEAR: uses of devices below, and devices that kubelet or our own lists still offer (I5: withdraw first). */
export function clearanceOf(memory: ClearanceMemory, ground: Ground, regBase: RegBase): { uses: readonly Use[]; listed: readonly Address[] } {
  const { view } = ground;
  const isBelow = belowTest({ ground, lastUnits: memory.lastUnits }, regBase);
  const { lastUnits, resources: ours, settleMs } = memory;
  const used = usesOf({ ground, lastUnits, ours, accounted: accountedNames(memory), settleMs }, regBase);
  const besides = [...specUses(memory.specs, isBelow), ...stillShownUses(memory, ground, isBelow)];
  // The API is asked only when all else is free.
  const uses = [...(besides.length > 0 ? used.filter(({ kind }) => kind !== "NotAsked") : used), ...besides];
  const served = new Set(view.publications.filter((p) => p.serving).map((p) => p.resource));
  const listed = view.publications.flatMap((p) => p.ids);
  const kubelets = view.podResources.kind === "Read" ? view.podResources.allocatable.filter((a) => served.has(a.resource)).flatMap((a) => a.ids) : [];
  // A container runtime resolves a CDI name without asking kubelet or the agent.
  const specs = specsOf(memory.specs);
  const slices =
    view.dra?.slices.kind === "Read" ? [...view.dra.slices.value.listed.map(({ address }) => address), ...view.dra.slices.value.asked] : [];
  return {
    uses: [...uses, ...unreadSlices(ground)],
    listed: [...new Set([...listed, ...kubelets, ...specs, ...slices])].filter((id) => isBelow(id, true)),
  };
}

/** What a scheduler may still give away cannot be told. */
function unreadSlices({ view: { dra } }: Ground): readonly Use[] {
  if (dra === null || dra.slices.kind === "Read" || dra.slices.isMissing === true) return [];
  return [{ address: null, kind: "Unreadable", by: `ResourceSlices: ${dra.slices.why}` }];
}

/** Functions that another ledger's pod has by a number that means none of them any more. */
function stillShownUses({ holds }: ClearanceMemory, ground: Ground, isBelow: BelowTest): readonly Use[] {
  const shown = [...holds].filter(([address, hold]) => isBelow(address, false) && isStillShown(hold, ground));
  return shown.map(([address, { pod, resource }]) => ({ address, kind: "Pod", by: `pod ${pod} (${resource})` }));
}
