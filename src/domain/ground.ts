// SPDX-License-Identifier: Apache-2.0

/** A view indexed by unit, built once per pass so that the decisions stay linear in the number of functions. */
import type { Address, PciFunction } from "./device.ts";
import type { HostView } from "./host.ts";
import { type FunctionInPod, functionsInPods, unmappedInPods } from "./in-pods.ts";
import { bySlot, type FunctionInSlot, type Slot, slotOwnerOf } from "./slot.ts";
import type { DriverTable, DriverUnit, RegBase } from "./unit.ts";
import type { DriverView, NodeView, Reading } from "./view.ts";

export interface UnitFact {
  readonly entry: DriverUnit;
  /** Names one span of trust, `instance/setupSeq`; null when the unit is not proven trusted now. */
  readonly epoch: string | null;
}

export interface Ground {
  readonly view: NodeView;
  /** What the driver lists; empty when it cannot be read. */
  readonly units: ReadonlyMap<RegBase, UnitFact>;
  readonly functions: ReadonlyMap<Address, PciFunction>;
  /** By owner. */
  readonly slots: ReadonlyMap<Address, Slot>;
  /** Functions of each slot, by owner, virtual ones included. */
  readonly onSlot: ReadonlyMap<Address, readonly PciFunction[]>;
  /** Functions whose DMA goes through the unit. */
  readonly below: ReadonlyMap<RegBase, readonly PciFunction[]>;
  /** Functions whose unit cannot be read: each may be below any unit. */
  readonly strays: readonly PciFunction[];
  /** Every function that podresources shows in a pod's hands, by whichever ledger. */
  readonly inPods: readonly FunctionInPod[];
  /** What podresources shows in pods' hands and means no function now (in-pods.ts). */
  readonly unmapped: ReadonlySet<string>;
}

export function groundFrom(view: NodeView): Ground {
  const below = new Map<RegBase, PciFunction[]>();
  const strays: PciFunction[] = [];
  const functions = view.host.kind === "Read" ? view.host.value.functions : [];
  for (const fn of functions) {
    if (fn.unit.kind === "Unreadable") strays.push(fn);
    if (fn.unit.kind !== "Unit") continue;
    const list = below.get(fn.unit.regBase);
    if (list) list.push(fn);
    else below.set(fn.unit.regBase, [fn]);
  }
  const inPods = functionsInPods(view.podResources, functions);
  return {
    view,
    units: unitFacts(view.driver),
    ...indexed(view.host),
    onSlot: bySlot(functions),
    below,
    strays,
    inPods,
    unmapped: unmappedInPods(view.podResources, inPods),
  };
}

/** Functions by address, and slots by owner; empty when the host cannot be read. */
export function indexed(host: Reading<HostView>): Pick<Ground, "functions" | "slots"> {
  const { functions, slots } = host.kind === "Read" ? host.value : { functions: [], slots: [] };
  return { functions: new Map(functions.map((fn) => [fn.address, fn])), slots: new Map(slots.map((slot) => [slot.owner, slot])) };
}

/** The slot that the function is on. A view of the host has one for each of its functions. */
export function slotOf({ slots }: Pick<Ground, "slots">, fn: PciFunction): Slot | undefined {
  return slots.get(slotOwnerOf(fn));
}

/** The function with its slot; null when it is not on the bus. */
export function inSlot(ground: Pick<Ground, "functions" | "slots">, address: Address): FunctionInSlot | null {
  const fn = ground.functions.get(address);
  const slot = fn && slotOf(ground, fn);
  return fn && slot ? { fn, slot } : null;
}

/** The slots of functions, each once, in order of their first ones. */
export function slotsOf(ground: Pick<Ground, "slots">, functions: readonly PciFunction[]): readonly Slot[] {
  return [...new Set(functions.flatMap((fn) => slotOf(ground, fn) ?? []))];
}

/** Every function that is, or may be, below the unit. */
export function functionsBelow(ground: Ground, regBase: RegBase): readonly PciFunction[] {
  const own = ground.below.get(regBase) ?? [];
  return ground.strays.length === 0 ? own : [...own, ...ground.strays];
}

/**
 * Trusted means: listed Trusted with an id, by the module instance that INFO names, in an environment where TDX can be called. Anything else has
 * no epoch. A kernel that owns SETUP tells no id: there the state itself follows from enough evidence only.
 */
export function unitFacts(driver: Reading<DriverView>): ReadonlyMap<RegBase, UnitFact> {
  if (driver.kind !== "Read") return NO_UNITS;
  const { info, table } = driver.value;
  const proven = info.environment === "Ok" && info.instance === table.instance;
  const known = lastFacts.get(table);
  if (known?.proven === proven && known.kernelOwned === info.kernelOwned) return known.facts;
  const facts = new Map(
    table.units.map((entry): [RegBase, UnitFact] => {
      const trusted = proven && entry.state === "Trusted" && (entry.tdxIommuId !== null || info.kernelOwned);
      return [entry.regBase, { entry, epoch: trusted ? `${table.instance}/0x${entry.setupSeq.toString(16)}` : null }];
    }),
  );
  lastFacts.set(table, { proven, kernelOwned: info.kernelOwned, facts });
  return facts;
}

const NO_UNITS: ReadonlyMap<RegBase, UnitFact> = new Map();

/** A driver gives the same table while nothing in it changes, and each call of kubelet asks for its facts. */
const lastFacts = new WeakMap<
  DriverTable,
  { readonly proven: boolean; readonly kernelOwned: boolean; readonly facts: ReadonlyMap<RegBase, UnitFact> }
>();
