// SPDX-License-Identifier: Apache-2.0

/** What speaks against SETUP (I3, I6): the checker's own statement, from the models' truth. */
import type { AgentProcess } from "../life/agent-process.ts";
import type { World } from "../life/world.ts";
import type { Age } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import { isFatal, SETUP_LEAF } from "../models/module-status.ts";

export interface Known extends Age {
  readonly why: string;
}

/** Collects what is wrong, each with its age. */
export class Objections {
  readonly list: Known[] = [];

  add(isBad: boolean, why: string, since: Age): void {
    if (isBad) this.list.push({ why, sinceTick: since.sinceTick, sinceMs: since.sinceMs });
  }
}

export const CANNOT_BE_CALLED = "TDX cannot be called";
export const EVER: Age = { sinceTick: -1, sinceMs: Number.NEGATIVE_INFINITY };

/** A quarter of the 65,536 domain ids. */
export const MANY_DOMAIN_IDS = 16_384;

export function setupObjections(world: World, process: AgentProcess, regBase: string): readonly Known[] {
  const { host, module, shape } = world;
  const found = new Objections();
  const unit = module.find(regBase);
  if (unit === null) return [{ why: "there is no such unit", ...EVER }];
  const intent = process.intent.value?.intent ?? null;
  found.add(intent === null, "nobody wants anything", process.intent);
  found.add(intent?.state === "Cleared", "the intent is Cleared", process.intent);
  found.add(intent !== null && !isSelected(intent, regBase), "the unit is not selected", process.intent);
  found.add(unit.trust.value !== null, "the unit is trusted", unit.trust);
  found.add(!unit.isPresent.value, "the unit is gone", unit.isPresent);
  found.add(unit.isForeign, "the unit is somebody else's", EVER);
  found.add(!unit.canConnect, "the unit has no TDX Connect", EVER);
  found.add(module.environment.value !== "Ok", CANNOT_BE_CALLED, module.environment);
  found.add(!shape.isSimulated && !shape.realSetup, "real SETUP is not allowed", EVER);
  found.add(!host.isReadable.value, "the host cannot be read", host.isReadable);
  found.add(!world.isDriverReadable.value, "the driver cannot be read", world.isDriverReadable);
  const { lastCall } = unit;
  found.add(unit.state === "Failed" && lastCall?.leaf === SETUP_LEAF && isFatal(lastCall.status), "it failed for good", unit.settled);
  const used = host.unit(regBase)?.domainsUsed;
  found.add(shape.didUnreserved && used !== undefined && used.value >= MANY_DOMAIN_IDS, "its domain ids are in use", used ?? EVER);
  for (const fn of host.functions) {
    // One without a unit, for all that the kernel shows, speaks against none.
    if (!fn.isPresent.value || isSeenUnlinked(world, fn) || !mayBeBelow(world, fn, regBase)) continue;
    found.add(fn.link.value !== "Off", `the link of ${fn.address} is secured`, sinceBelow(world, fn, { regBase, fact: fn.link }));
    found.add(!fn.isLinkReadable.value, `the link of ${fn.address} cannot be read`, sinceBelow(world, fn, { regBase, fact: fn.isLinkReadable }));
    found.add(!fn.isTsmFree.value, `reading tsm/ of ${fn.address} blocks`, sinceBelow(world, fn, { regBase, fact: fn.isTsmFree }));
  }
  return found.list;
}

/** A function whose unit cannot be told may be below any. */
export function mayBeBelow(world: World, fn: HostFunction, regBase: string): boolean {
  // Where the kernel shows none, and of one that is off the bus, the unit that was written down counts.
  const isWrittenAlone = isSeenUnlinked(world, fn) || (!fn.isPresent.value && wasPlaced(world, fn));
  if (isWrittenAlone) return fn.regBase === regBase && wasPlaced(world, fn);
  return fn.regBase === regBase || !world.host.showsUnitOf(fn);
}

/** A look shows it below no unit: where nobody can read whether there is one, it may have any. */
export function isSeenUnlinked({ host }: World, fn: HostFunction): boolean {
  return !fn.isUnitLinked.value && (host.showsUnitOf(fn) || !fn.isPresent.value);
}

/** An agent has seen it below its unit, and has written that down: of a function that nobody ever saw below a unit nobody can tell. */
function wasPlaced({ proofs }: World, { address, regBase }: HostFunction): boolean {
  return proofs.lines?.findLast((line) => line.startsWith(`["unit","${address}"`))?.includes(`"${regBase}"`) === true;
}

/** The kernel shows it below no unit, and no agent of this boot has seen it below one. */
export function isUnplaced({ proofs }: World, { address, isPresent, isUnitLinked }: HostFunction): boolean {
  return isPresent.value && !isUnitLinked.value && !proofs.lines?.some((line) => line.startsWith(`["unit","${address}"`));
}

/** Since when a fact of a function, its presence, and its being below the unit for all one can tell, hold together. */
export function sinceBelow(world: World, fn: HostFunction, what: { readonly regBase: string; readonly fact: Age }): Age {
  const since = youngest(youngest(what.fact, fn.isPresent), fn.isUnitLinked);
  if (fn.regBase === what.regBase) return since;
  const unit = world.host.unit(fn.regBase ?? "");
  return youngest(since, unit ? youngest(youngest(unit.isReadable, unit.isPresent), fn.isUnitReadable) : fn.isUnitReadable);
}

export function isSelected(
  intent: { readonly units: { readonly all?: boolean | undefined; readonly regBases?: readonly string[] | undefined } },
  regBase: string,
): boolean {
  return intent.units.all === true || (intent.units.regBases ?? []).includes(regBase);
}

/** The later of two: both hold since then. */
export function youngest(one: Age, other: Age): Age {
  return one.sinceTick > other.sinceTick ? one : other;
}
