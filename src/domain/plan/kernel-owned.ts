// SPDX-License-Identifier: Apache-2.0

/** A kernel that owns SETUP and CLEAR does them for all units at once, by loading and unloading its driver: the plan says what a person must do. */
import type { UnitFact } from "../ground.ts";
import { selectsUnit } from "../intent.ts";
import { ECAP_TDX_CONNECT } from "../unit.ts";
import { because, type Finding, type UnitFacts } from "./finding.ts";

/** tdx_host is on the faux bus, whose devices can't be bound or unbound by hand: loading and unloading it is the only way there is. */
export const LOAD = "load tdx_host: it sets up all units; ";
const RELOAD = "when no pod uses a device, unload tdx_host and load it again while this agent runs; ";
export const UNLOAD = "no pod uses a device: unload tdx_host, it clears all units";

export function isKernelOwned({ ground: { view } }: UnitFacts): boolean {
  return view.driver.kind === "Read" && view.driver.value.info.kernelOwned;
}

export function unproven({ fact: { entry }, intent }: UnitFacts): Finding | null {
  if (entry.state !== "Unknown") return null;
  if (entry.missing !== "WatchedLoad") return because("EvidenceIncomplete", entry.evidence);
  const advice = intent.state === "Trusted" ? RELOAD : "when no pod uses a device, unload tdx_host; ";
  return because("LoadNotWatched", `${advice}${entry.evidence}`);
}

export const hasConnect = ({ entry }: UnitFact): boolean => (entry.ecap & ECAP_TDX_CONNECT) !== 0n;

/** All or nothing: what is asked of some of the units that it concerns the kernel can only do to all of them. */
export function partOfUnits({ intent, ground }: UnitFacts, concerns: (fact: UnitFact) => boolean, what: string): Finding | null {
  const all = [...ground.units.values()].filter(concerns).map((fact) => fact.entry.regBase);
  const selected = all.filter((regBase) => selectsUnit(intent, regBase));
  return selected.length === all.length ? null : because("KernelOwned", `${selected.length} of ${all.length} units are to be ${what} all or none`);
}
