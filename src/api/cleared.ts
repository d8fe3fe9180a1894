// SPDX-License-Identifier: Apache-2.0

/**
 * `state: Cleared` is heard whatever else is wrong with an object: a field that this version does not know must not keep devices offered that an
 * admin wants back. What it says of units counts only where `spec.units` is valid by itself.
 */
import type { Intent, ResourceRule, UnitSelection } from "../domain/intent.ts";
import { type Problem, problemsText } from "./problem.ts";
import { resourceSchema, ruleOf, unitsSchema } from "./spec.ts";

/** What a refused object with a readable `state: Cleared` says. */
export interface ClearedPart {
  /** Null: `spec.units` breaks its schema. */
  readonly units: UnitSelection | null;
  /** The entries of `spec.resources` that are valid by themselves. */
  readonly resources: readonly ResourceRule[];
}

/** An object that breaks its schema. */
export interface Refusal {
  readonly ok: false;
  readonly problems: readonly Problem[];
  /** Null: it does not say `state: Cleared`. */
  readonly cleared: ClearedPart | null;
}

/** The readable part of an object whose `spec.state` is exactly Cleared; null for any other. Tolerates any shape. */
export function clearedPartOf(object: unknown): ClearedPart | null {
  const spec = memberOf(object, "spec");
  if (memberOf(spec, "state") !== "Cleared") return null;
  const units = unitsSchema.safeParse(memberOf(spec, "units"));
  const resources = memberOf(spec, "resources");
  const rules = (Array.isArray(resources) ? resources : []).flatMap((entry: unknown) => {
    const rule = resourceSchema.safeParse(entry);
    return rule.success ? [ruleOf(rule.data)] : [];
  });
  return { units: units.success ? units.data : null, resources: rules };
}

/** The intent in force after a refusal, and the problem to report. */
export interface InForce {
  readonly intent: Intent | null;
  readonly problem: string;
}

/**
 * The last good intent stays, unless the refused object says Cleared: then that is in force. No unit is selected where its units cannot be read, so
 * none is cleared; resources stay those of the last good intent, under whose names pods have devices.
 */
export function inForceAfter(last: Intent | null, { problems, cleared }: Refusal): InForce {
  const problem = problemsText(problems);
  if (cleared === null) return { intent: last, problem };
  const { units, resources } = cleared;
  const done = units === null ? "no unit is cleared, because spec.units cannot be read" : "the units of spec.units are cleared";
  return {
    intent: { state: "Cleared", units: units ?? {}, resources: last?.resources ?? resources, link: last?.link ?? { enable: "Never" } },
    problem: `${problem}\nspec.state is "Cleared": no device is offered, and ${done}`,
  };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
