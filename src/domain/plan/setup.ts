// SPDX-License-Identifier: Apache-2.0

/** The plan of a unit that is to be trusted. */
import { isStranded } from "../clearance.ts";
import type { Address } from "../device.ts";
import { atMostThree, releasableText } from "../link-names.ts";
import type { UnitReason } from "../reason.ts";
import { type LinkState, type Slot, slotOwnerOf } from "../slot.ts";
import { planCleared } from "./clear.ts";
import { because, ENVIRONMENT_TEXT, environmentOf, type Finding, type Step, type UnitFacts } from "./finding.ts";
import { hasConnect, isKernelOwned, LOAD, partOfUnits, unproven } from "./kernel-owned.ts";
import { repeatable } from "./repeat.ts";

export function planTrusted(facts: UnitFacts): Finding {
  const { entry, epoch } = facts.fact;
  if (epoch !== null)
    return facts.memory.verifying.has(facts.regBase) ? because("SetupRunning", VERIFYING) : because("SetupSucceeded", entry.evidence);
  if (isKernelOwned(facts))
    return unproven(facts) ?? partOfUnits(facts, hasConnect, "set up: it sets up") ?? because("KernelOwned", `${LOAD}${entry.evidence}`);
  if (isStranded(facts.fact)) return planCleared(facts);
  if (entry.state === "Trusted" || entry.tdxIommuId !== null) return because("TrustLost", ENVIRONMENT_TEXT[environmentOf(facts)]);
  for (const rule of SETUP_RULES) {
    const message = rule.refuses(facts);
    if (message !== null) return { ...because(rule.reason, message), wakeAtMs: facts.ground.view.nowMs + REFUSED_POLL_MS };
  }
  const step: Step = { kind: "Setup", regBase: facts.regBase };
  return repeatable(facts, "TDH.IOMMU.SETUP", { step, fresh: "SetupPending", again: "SetupRetrying", failed: "SetupFailed" });
}

const VERIFYING = "the links below are read again";
/** Links and domain ids change without a wake-up. */
const REFUSED_POLL_MS = 5_000;

interface SetupRule {
  readonly reason: UnitReason;
  /** Why SETUP must not be issued; null when this rule has nothing against it. */
  refuses(facts: UnitFacts): string | null;
}

/** What must hold before SETUP is issued (I3, and what the TDX module would refuse). The first that refuses is the reason. */
export const SETUP_RULES: readonly SetupRule[] = [
  { reason: "HostUnreadable", refuses: ({ ground }) => (ground.view.host.kind === "Read" ? null : ground.view.host.why) },
  { reason: "EnvironmentNotReady", refuses: (facts) => (environmentOf(facts) === "Ok" ? null : ENVIRONMENT_TEXT[environmentOf(facts)]) },
  {
    reason: "RealSetupDisabled",
    refuses: ({ ground: { view } }) =>
      view.driver.kind === "Read" && (view.driver.value.info.simulated || view.driver.value.info.realSetup)
        ? null
        : "load the module with real SETUP allowed",
  },
  {
    reason: "LinkSecuredBeforeSetup",
    refuses: ({ ground, slots }) => named(inState(slots, "Secure"), (found) => releasableText(found, ground.slots)),
  },
  { reason: "LinkUnknown", refuses: (facts) => named(unreadLinks(facts), (found) => found) },
  { reason: "DomainIdsInUse", refuses: domainIdsInUse },
];

function inState(slots: readonly Slot[], state: LinkState): readonly Slot[] {
  return slots.filter(({ link }) => link.state === state);
}

function unreadLinks({ slots, below, memory }: UnitFacts): readonly string[] {
  const unknown = slots.filter(
    ({ owner, link, linkRead }) => link.state === "Unknown" || linkRead.tsm === "Writing" || owner === memory.linkWork.writing?.owner,
  );
  const owners = new Set(unknown.map(({ owner }) => owner));
  const unread = below.filter((fn) => !fn.isIdeRead && !owners.has(slotOwnerOf(fn)));
  return [...unknown.map(withProblem), ...unread.map(({ address, configProblem }) => withWhy(address, configProblem))];
}

function withProblem({ owner, linkRead: { tsm, problem } }: Slot): string {
  const why =
    tsm === "Failed" ? "tsm/ cannot be read" : tsm === "Blocked" ? "reading tsm/ blocks" : tsm === "Writing" ? "it is being written" : problem;
  return withWhy(owner, why);
}

function withWhy(address: Address, why: string): string {
  return why === "" ? address : `${address} (${why})`;
}

function named<T>(found: readonly T[], namesOf: (found: readonly T[]) => readonly string[]): string | null {
  return found.length === 0 ? null : atMostThree(namesOf(found));
}

/** A kernel that cannot reserve the upper half of the domain ids must be far from using it (VT-d CAP.ND; the module takes the top bit). */
function domainIdsInUse({ ground, hostUnit }: UnitFacts): string | null {
  const { driver } = ground.view;
  if (driver.kind !== "Read" || !driver.value.info.didUnreserved) return null;
  const { domainsUsed: used = null, domainsSupported: supported = null } = hostUnit ?? {};
  if (used === null || supported === null) return "domains_used or domains_supported cannot be read";
  // Not how many: their number changes all the time, and a status with it.
  return used >= supported / 4 ? `${supported / 4} or more of ${supported}` : null;
}
