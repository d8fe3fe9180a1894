// SPDX-License-Identifier: Apache-2.0

/** Which driver a function should be given, who uses it, and who shares its IOMMU group. Pure. */
import { type Address, isVfioDriver, type PciFunction } from "../device.ts";
import type { Ground } from "../ground.ts";
import { accountedNames } from "../holds.ts";
import { type Intent, selectsUnit } from "../intent.ts";
import type { LinkInputs } from "../links/use.ts";
import { resourceFor } from "../selector.ts";
import { isBridge } from "../slot.ts";
import { specUses } from "../specs.ts";
import { type BelowTest, type Use, usesIn } from "../use.ts";
import type { BindTarget } from "./work.ts";

/** The only override that is this agent's to set and to clear. */
export const VFIO_PCI = "vfio-pci";

type Wanting = Omit<PciFunction, "holders" | "binding"> & Partial<Pick<PciFunction, "binding">>;

/**
 * The driver that the spec wants and the function does not have; null: none, or the spec leaves drivers alone. A function without a driver may still
 * have this agent's override, which only its `binding` tells: where that is not read it may.
 */
export function bindWish(intent: Intent | null, fn: Wanting): BindTarget | null {
  if (intent === null || fn.teeIo !== "Yes" || fn.unit.kind !== "Unit" || !selectsUnit(intent, fn.unit.regBase)) return null;
  const bind = resourceFor(intent, fn)?.driver.bind ?? "Keep";
  if (bind === "Vfio") return intent.state === "Trusted" && !isOnVfio(fn) ? "Vfio" : null;
  if (bind === "Keep") return null;
  const mayBeOverridden = fn.driver === null && (fn.binding == null || fn.binding.override === VFIO_PCI);
  return isOnVfio(fn) || mayBeOverridden ? "Native" : null;
}

function isOnVfio({ driver, vfioCdev }: Pick<PciFunction, "driver" | "vfioCdev">): boolean {
  return vfioCdev !== null || (driver !== null && isVfioDriver(driver));
}

/** Every use of the function, in any view, CDI specs and holds among them. Empty means free. */
export function usesOfOne({ ground, memory }: LinkInputs, fn: PciFunction): readonly Use[] {
  const isIn: BelowTest = (address) => address === fn.address;
  const { lastUnits, resources: ours, settleMs, holds, specs } = memory;
  const uses = usesIn(
    { ground, lastUnits, ours, accounted: accountedNames(memory), settleMs },
    { functions: [fn], isIn, blind: [], countsLink: false, inCall: (addresses) => addresses.includes(fn.address) },
  );
  const hold = holds.get(fn.address);
  const by = hold === undefined || hold.pod === "" ? "whoever it was given to" : `pod ${hold.pod}`;
  const held: readonly Use[] = hold === undefined ? [] : [{ address: fn.address, kind: "Answer", by }];
  const others = [...held, ...specUses(specs, isIn)];
  return others.length === 0 ? uses : [...uses.filter(({ kind }) => kind !== "NotAsked"), ...others];
}

/**
 * Of functions that a resource takes: others in their IOMMU group that none takes. A group is given to one virtual machine as a whole, and what another
 * driver of the host has in it keeps it from being given at all. Bridges do not count: they make no DMA of their own.
 */
export function foreignInGroup(intent: Intent | null, { functions }: Pick<Ground, "functions">): ReadonlyMap<Address, readonly Address[]> {
  const found = new Map<Address, readonly Address[]>();
  if (intent === null) return found;
  const inGroups = [...functions.values()].filter((fn) => fn.iommuGroup !== null && !isBridge(fn));
  for (const members of Map.groupBy(inGroups, ({ iommuGroup }) => iommuGroup).values()) {
    if (members.length < 2) continue;
    const [ours, foreign] = [members.filter((fn) => resourceFor(intent, fn) !== null), members.filter((fn) => resourceFor(intent, fn) === null)];
    if (foreign.length > 0)
      for (const { address } of ours)
        found.set(
          address,
          foreign.map((fn) => fn.address),
        );
  }
  return found;
}
