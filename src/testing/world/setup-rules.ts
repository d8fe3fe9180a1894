// SPDX-License-Identifier: Apache-2.0

/** What speaks against SETUP (I3, I6): the checker's own statement, from the models' truth. */
import type { AgentProcess } from "./agent-process.ts";
import type { Fact } from "./fact.ts";
import { isFatal, SETUP_LEAF } from "./module-status.ts";
import type { World } from "./world.ts";

export interface Known {
  readonly why: string;
  readonly sinceTick: number;
}

/** Collects what is wrong, each with its age. */
export class Objections {
  readonly list: Known[] = [];

  add(isBad: boolean, why: string, since: Pick<Fact<unknown>, "sinceTick">): void {
    if (isBad) this.list.push({ why, sinceTick: since.sinceTick });
  }
}

export const EVER = { sinceTick: -1 };

/** A quarter of the 65,536 domain ids. */
const MANY_DOMAIN_IDS = 16_384;

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
  found.add(module.environment.value !== "Ok", "TDX cannot be called", module.environment);
  found.add(!shape.isSimulated && !shape.realSetup, "real SETUP is not allowed", EVER);
  found.add(!host.isReadable.value, "the host cannot be read", host.isReadable);
  found.add(!world.isBindingReadable.value, "the binding cannot be read", world.isBindingReadable);
  const { lastCall } = unit;
  found.add(unit.state === "Failed" && lastCall?.leaf === SETUP_LEAF && isFatal(SETUP_LEAF, lastCall.status), "it failed for good", unit.settled);
  const used = host.unit(regBase)?.domainsUsed;
  found.add(shape.didUnreserved && used !== undefined && used.value >= MANY_DOMAIN_IDS, "its domain ids are in use", used ?? EVER);
  for (const fn of host.functions) {
    const mayBeBelow = fn.regBase === regBase || !host.showsUnitOf(fn);
    if (!mayBeBelow || !fn.isPresent.value) continue;
    found.add(
      fn.link.value !== "Off",
      `the link of ${fn.address} is secured`,
      fn.regBase === regBase ? fn.link : youngest(fn.link, fn.isUnitReadable),
    );
    found.add(
      !fn.isLinkReadable.value,
      `the link of ${fn.address} cannot be read`,
      fn.regBase === regBase ? fn.isLinkReadable : youngest(fn.isLinkReadable, fn.isUnitReadable),
    );
  }
  return found.list;
}

export function isSelected(
  intent: { readonly units: { readonly all?: boolean | undefined; readonly regBases?: readonly string[] | undefined } },
  regBase: string,
): boolean {
  return intent.units.all === true || (intent.units.regBases ?? []).includes(regBase);
}

/** The later of two: both hold since then. */
export function youngest(one: Pick<Fact<unknown>, "sinceTick">, other: Pick<Fact<unknown>, "sinceTick">): { readonly sinceTick: number } {
  return one.sinceTick > other.sinceTick ? one : other;
}
