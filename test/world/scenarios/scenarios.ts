// SPDX-License-Identifier: Apache-2.0

/**
 * Short histories with a point, about what random ones seldom do. All of them hold; each is there to break when one rule of the agent is taken out
 * (mutants.ts).
 */
import { PLAIN } from "../models/shape.ts";
import { has } from "../runs/capabilities.ts";
import { Run } from "../runs/history.ts";
import type { Scenario } from "./scenario.ts";
import { AGES } from "./scenarios-age.ts";
import { AUDITS } from "./scenarios-audit.ts";
import { CLAIM_RULES } from "./scenarios-claim-rules.ts";
import { CLAIMS } from "./scenarios-claims.ts";
import { LATE_CLAIMS } from "./scenarios-claims-late.ts";
import { CLEARS } from "./scenarios-clear.ts";
import { DRIVERS } from "./scenarios-drivers.ts";
import { HANDS } from "./scenarios-hands.ts";
import { HOLDS } from "./scenarios-holds.ts";
import { HOSTS } from "./scenarios-hosts.ts";
import { LINK_TAINTS } from "./scenarios-link-taints.ts";
import { LINKS } from "./scenarios-links.ts";
import { OFFERS } from "./scenarios-offer.ts";
import { OWNERS } from "./scenarios-owner.ts";
import { SETUPS } from "./scenarios-setup.ts";
import { SHARING } from "./scenarios-sharing.ts";
import { SPECS } from "./scenarios-specs.ts";
import { CLEAR_WAITS, SETUP_WAITS } from "./scenarios-waiting.ts";

const ALL: readonly Scenario[] = [
  ...CLEAR_WAITS,
  ...CLEARS,
  ...SETUP_WAITS,
  ...SETUPS,
  ...HOLDS,
  ...OFFERS,
  ...HANDS,
  ...HOSTS,
  ...OWNERS,
  ...SPECS,
  ...AGES,
  ...LINKS,
  ...DRIVERS,
  ...AUDITS,
  ...SHARING,
  ...CLAIMS,
  ...CLAIM_RULES,
  ...LATE_CLAIMS,
  ...LINK_TAINTS,
];

export const SCENARIOS: readonly Scenario[] = ALL.filter(({ needs = [] }) => needs.every(has));

/** What broke; empty when all is well. */
export async function runScenario({ name, shape = {}, steps, check }: Scenario): Promise<readonly string[]> {
  const run = new Run({ ...PLAIN, ...shape }, null);
  for (const one of steps) await run.take(one);
  const complaints = check?.(run.world) ?? [];
  for (const complaint of complaints) run.checker.complain(`after "${name}"`, complaint);
  await run.end();
  return run.violations;
}
