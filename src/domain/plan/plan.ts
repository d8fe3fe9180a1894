// SPDX-License-Identifier: Apache-2.0

import { functionsBelow, slotsOf, type UnitFact } from "../ground.ts";
/**
 * The plan: for every unit, what is to be done now, or why nothing is. Pure: the same inputs give the same plan, and a plan is only ever carried
 * out after the same function has said so again on a fresher view (agent/perform.ts).
 */
import type { HostUnit } from "../host.ts";
import { selectsUnit } from "../intent.ts";
import { compareRegBase, ECAP_TDX_CONNECT, type RegBase } from "../unit.ts";
import { planBinds } from "./binds.ts";
import { planCleared } from "./clear.ts";
import { because, ENVIRONMENT_TEXT, environmentOf, type Finding, type Plan, type PlanInputs, type UnitFacts, type UnitVerdict } from "./finding.ts";
import { planLinks } from "./links.ts";
import { planTrusted } from "./setup.ts";

export function planOf(inputs: PlanInputs): Plan {
  const { ground, intent, memory } = inputs;
  const bases = new Set([...ground.units.keys(), ...memory.knownUnits, ...(intent?.units.regBases ?? [])]);
  return { units: [...bases].sort(compareRegBase).map((regBase) => planUnit(inputs, regBase)), links: planLinks(inputs), binds: planBinds(inputs) };
}

export function planUnit(inputs: PlanInputs, regBase: RegBase): UnitVerdict {
  const { intent, ground } = inputs;
  const selected = intent !== null && selectsUnit(intent, regBase);
  return { regBase, selected, ...find() };

  function find(): Finding {
    const { driver, host } = ground.view;
    const fact = ground.units.get(regBase);
    const hostUnit = (host.kind === "Read" && host.value.units.find((unit) => unit.regBase === regBase)) || null;
    // The kernel's own word is enough for no: a host without TDX Connect needs no driver to be told so.
    if (!fact && hostUnit?.ecap != null && (hostUnit.ecap & ECAP_TDX_CONNECT) === 0n)
      return because("TdxConnectMissing", `ecap 0x${hostUnit.ecap.toString(16)}`);
    if (driver.kind !== "Read") return because("DriverUnreadable", driver.why);
    if (!fact) return unlisted({ ...inputs, regBase, hostUnit, driver: driver.value.name });
    if (intent === null || !selected) return because("NotSelected");
    const settled = SETTLED_BY_STATE[fact.entry.state]?.(fact);
    if (settled) return settled;
    if (fact.entry.state === "Unknown" && host.kind === "Read" && !hostUnit)
      return because("UnitMissing", `${driver.value.name} lists it, the kernel does not`);
    const below = functionsBelow(ground, regBase);
    const facts: UnitFacts = { ...inputs, intent, regBase, fact, hostUnit, below, slots: slotsOf(ground, below) };
    // While TDX cannot be called it cannot be told what became of an id, and nothing can be done about it.
    if (environmentOf(facts) !== "Ok" && (fact.entry.state === "Unknown" || fact.entry.tdxIommuId !== null))
      return because("TrustLost", ENVIRONMENT_TEXT[environmentOf(facts)]);
    return intent.state === "Trusted" ? planTrusted(facts) : planCleared(facts);
  }
}

/** What the driver does not list: whether the kernel does, and why it is reported at all. */
function unlisted(facts: PlanInputs & { readonly regBase: RegBase; readonly hostUnit: HostUnit | null; readonly driver: string }): Finding {
  const { hostUnit, driver, memory, ground, regBase } = facts;
  if (hostUnit) return because("NotListedByDriver", `the kernel lists it as ${hostUnit.kernelName}, ${driver} does not`);
  const unlistedBy = ground.view.host.kind === "Read" ? `neither the kernel nor ${driver} lists it` : `${driver} does not list it`;
  return because("UnitMissing", `${unlistedBy}; ${memory.knownUnits.has(regBase) ? "it was there before" : "spec.units.regBases names it"}`);
}

/** States in which the intent makes no difference. */
const SETTLED_BY_STATE: Partial<Record<UnitFact["entry"]["state"], (fact: UnitFact) => Finding>> = {
  Foreign: () => because("ForeignOwner"),
  Unsupported: ({ entry }) =>
    because((entry.ecap & ECAP_TDX_CONNECT) === 0n ? "TdxConnectMissing" : "RejectedByModule", `ecap 0x${entry.ecap.toString(16)}`),
  SettingUp: () => because("SetupRunning"),
  Clearing: () => because("ClearRunning"),
};
