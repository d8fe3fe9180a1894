// SPDX-License-Identifier: Apache-2.0

/** Who wants the link of a slot, and who uses a function of it. */
import { isPciAddress, requesterIdOf } from "../address.ts";
import type { ClearanceMemory } from "../clearance.ts";
import type { Address, PciFunction } from "../device.ts";
import { isClaimWanted } from "../dra/holds.ts";
import type { Ground } from "../ground.ts";
import { accountedNames, type Hold } from "../holds.ts";
import { type Intent, selectsUnit } from "../intent.ts";
import { resourceFor } from "../selector.ts";
import { functionZeroOf, type Slot, slotOwnerOf } from "../slot.ts";
import { specUses } from "../specs.ts";
import { type BelowTest, type Use, usesIn } from "../use.ts";

export interface LinkInputs {
  readonly ground: Ground;
  readonly memory: ClearanceMemory;
}

/**
 * The links of this slot are this agent's to write: the intent says so, and a resource takes one of its functions below a selected unit. Never a switch's:
 * a disconnect there also ends the TDIs of what is below it.
 */
export function isOurs(intent: Intent | null, { onSlot }: Pick<Ground, "onSlot">, { owner, port }: Slot): intent is Intent {
  if (intent?.link.enable !== "OnPrepare" || port !== null) return false;
  return (onSlot.get(owner) ?? []).some(
    (fn) => fn.teeIo === "Yes" && fn.unit.kind === "Unit" && selectsUnit(intent, fn.unit.regBase) && resourceFor(intent, fn) !== null,
  );
}

/** Functions of the slot that were given away in the present epoch, or that a claim reserves for a pod, are not on their way back, and can be secured. */
export function wantingOn(inputs: LinkInputs, owner: Address): readonly PciFunction[] {
  return promisedOn(inputs, owner).filter(({ unit }) => unit.kind === "Unit");
}

/** The same, also while it cannot be told which unit is above: they want the link again once it can, and until then it is the one last seen. */
export function promisedOn({ ground, memory }: LinkInputs, owner: Address): readonly PciFunction[] {
  return (ground.onSlot.get(owner) ?? []).filter((fn) => {
    const hold = memory.holds.get(fn.address);
    const regBase = fn.unit.kind === "Unit" ? fn.unit.regBase : memory.lastUnits.get(fn.address);
    const epoch = regBase === undefined ? null : (ground.units.get(regBase)?.epoch ?? null);
    const isGiven = hold !== undefined && hold.epoch === epoch && !isEnding(hold);
    return epoch !== null && (isGiven || isClaimWanted(ground.view, fn.address)) && isCoverable(fn, owner);
  });
}

/** Its pod was seen, and every view shows the device free now. */
function isEnding({ pod, freeSinceMs }: Hold): boolean {
  return pod !== "" && freeSinceMs !== null;
}

/** A kernel gives a stream to function 0 and to the virtual functions that are there when it connects, and to no other. */
export function isCoverable({ address, functionType }: Pick<PciFunction, "address" | "functionType">, owner: Address): boolean {
  return functionType === "Virtual" || address === owner;
}

/**
 * Functions that share a link with function 0 of their slot, and are held or may be given to a pod: whoever opens function 0 resets it, and with it the
 * stream of all. What a resource takes counts, unless it can never be offered.
 */
export function carriedOn(
  { holds }: Pick<ClearanceMemory, "holds">,
  intent: Intent | null,
  { onSlot }: Pick<Ground, "onSlot">,
): ReadonlyMap<Address, readonly Address[]> {
  const carried = new Map<Address, readonly Address[]>();
  if (intent === null || intent.link.enable === "Never") return carried;
  for (const [owner, functions] of onSlot) {
    if (functions.length < 2) continue;
    const others = functions.filter((fn) => fn.address !== owner && (holds.has(fn.address) || mayBeGiven(intent, fn, owner)));
    if (others.length > 0)
      carried.set(
        owner,
        others.map(({ address }) => address),
      );
  }
  return carried;
}

function mayBeGiven(intent: Intent, fn: PciFunction, owner: Address): boolean {
  const isSelected = fn.unit.kind === "Unreadable" || (fn.unit.kind === "Unit" && selectsUnit(intent, fn.unit.regBase));
  return fn.teeIo !== "No" && isSelected && isCoverable(fn, owner) && resourceFor(intent, fn) !== null;
}

/** The root port's range of requester IDs has the function. */
export function isCovered({ address }: Pick<PciFunction, "address">, { covers }: Pick<Slot, "covers">): boolean {
  const id = requesterIdOf(address);
  return covers.some(({ first, last }) => first <= id && id <= last);
}

/** Virtual functions that want a link that is secured, and that it does not cover: they came after it. */
export function uncoveredOn(inputs: LinkInputs, slot: Slot): readonly PciFunction[] {
  if (slot.link.streamSecure !== "Yes") return [];
  return wantingOn(inputs, slot.owner).filter((fn) => fn.functionType === "Virtual" && !isCovered(fn, slot));
}

const NONE: ReadonlySet<Address> = new Set();

/**
 * Every use of a function of the slot, in any view (I8). Empty means free. Of the functions in `besides` only what the host shows counts: they are known
 * to be given away, and their link secures nothing for them.
 */
export function usesOfSlot({ ground, memory }: LinkInputs, owner: Address, besides: ReadonlySet<Address> = NONE): readonly Use[] {
  const units = new Set((ground.onSlot.get(owner) ?? []).flatMap(({ unit }) => (unit.kind === "Unit" ? unit.regBase : [])));
  const isIn: BelowTest = (address) => {
    if (besides.has(address)) return false;
    const fn = ground.functions.get(address);
    if (fn) return slotOwnerOf(fn) === owner;
    if (!isPciAddress(address)) return false;
    // A virtual function that is off the bus may have been on any slot below the unit that it was last seen below.
    const last = lastUnits.get(address);
    return functionZeroOf(address) === owner || last === undefined || units.has(last);
  };
  const { lastUnits, resources: ours, settleMs, holds, specs } = memory;
  const uses = usesIn(
    { ground, lastUnits, ours, accounted: accountedNames(memory), settleMs },
    {
      functions: ground.onSlot.get(owner) ?? [],
      isIn,
      blind: [],
      countsLink: false,
      inCall: (addresses) => addresses.some((address) => isIn(address, true)),
    },
  );
  const held = [...holds].filter(([address]) => isIn(address, true));
  const others = [
    ...held.map(([address, { pod }]): Use => ({ address, kind: "Answer", by: pod === "" ? "whoever it was given to" : `pod ${pod}` })),
    ...specUses(specs, isIn),
  ];
  return others.length === 0 ? uses : [...uses.filter(({ kind }) => kind !== "NotAsked"), ...others];
}

/**
 * What stands between a lost link and its repair, which ends whatever TDI is left and resets nothing of the function that wants it; empty when nothing
 * does. One function may have a holder: the virtual machine monitor of the one that wants the link.
 */
export function repairBlockers({ ground }: Pick<LinkInputs, "ground">, owner: Address, wanting: readonly PciFunction[]): readonly string[] {
  const onSlot = ground.onSlot.get(owner) ?? [];
  const bound = onSlot.filter((fn) => fn.bound !== "No");
  if (bound.length > 0)
    return bound.map((fn) => (fn.bound === "Yes" ? `${fn.address} is bound to a TD (tsm/bound)` : `tsm/bound of ${fn.address} cannot be read`));
  const held = onSlot.filter(({ holders }) => holders.kind === "Unreadable" || holders.pids.length > 0);
  const [first] = held;
  if (first === undefined || (held.length === 1 && wanting.includes(first))) return [];
  return held.filter((fn) => !(wanting.length === 1 && wanting.includes(fn))).map(holderText);
}

function holderText({ address, holders }: PciFunction): string {
  return holders.kind === "Unreadable" ? `the holders of ${address} cannot be read: ${holders.why}` : `${address} is open in pid ${holders.pids[0]}`;
}
