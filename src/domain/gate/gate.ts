// SPDX-License-Identifier: Apache-2.0

/**
 * The gate: the only place that says whether a device may be offered (I1). The device plugin's list, Allocate, PreStart, the status and `explain`
 * all ask it. Unknown is never yes, and no timeout opens it.
 */
import { resourceFor } from "../selector.ts";
import type { Facts, GateInputs, Rule, Verdict } from "./inputs.ts";
import { GATE_RULES } from "./rules.ts";

/** Judges one device: the first rule that fails decides. `explain` shows all of them. */
export function judge(inputs: GateInputs, rules: readonly Rule[] = GATE_RULES): Verdict {
  const facts = factsFrom(inputs);
  const failed = rules.find((rule) => !rule.passes(facts));
  return {
    address: inputs.address,
    offered: failed === undefined,
    reason: failed?.reason ?? "Offered",
    message: failed?.read(facts) ?? "",
    resource: facts.resource,
    epoch: facts.fact?.epoch ?? null,
    // Made when it is looked at: for thousands of functions on every pass, the texts were half of all garbage.
    get rules() {
      return rules.map((rule) => ({ reason: rule.reason, passed: rule.passes(facts), read: rule.read(facts) }));
    },
  };
}

function factsFrom(inputs: GateInputs): Facts {
  const { fn, intent, units } = inputs;
  const regBase = fn?.unit.kind === "Unit" ? fn.unit.regBase : null;
  return {
    ...inputs,
    resource: fn && intent ? resourceFor(intent, fn) : null,
    regBase,
    fact: (regBase !== null && units?.get(regBase)) || null,
    hold: inputs.memory.holds.get(inputs.address) ?? null,
  };
}
