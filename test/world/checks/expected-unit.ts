// SPDX-License-Identifier: Apache-2.0

/**
 * What the status of a quiet node must say of its units, from the models' truth: the checker's own statement, in its own words. What is still moving
 * is never the end.
 */
import type { UnitStatus } from "../../../src/domain/status.ts";
import { knownToBeTaken } from "../life/taken.ts";
import type { World } from "../life/world.ts";
import { CLEAR_LEAF, isFatal, SETUP_LEAF } from "../models/module-status.ts";
import type { ModuleUnit } from "../models/module-unit.ts";
import { isOverForAll } from "./clear-rules.ts";
import { isAnyFileUnread, isClaimed, isStuckInSlice } from "./expected-ledger.ts";
import { isSeenUnlinked, isSelected, isUnplaced, MANY_DOMAIN_IDS, mayBeBelow } from "./setup-rules.ts";
import { specsInPlace } from "./spec-rules.ts";

type Reason = UnitStatus["reason"];

export function unitComplaints(world: World): readonly string[] {
  const { module, api, isDriverReadable } = world;
  const written = api.status;
  if (written === null) return ["there is no status"];
  return module.units.flatMap((unit) => {
    const shown = written.units.find((one) => one.regBase === unit.regBase);
    // An agent that has seen a unit in neither view since it started does not know of it.
    if (shown === undefined) return unit.isPresent.value && isShown(world, unit) ? [`${unit.regBase} is not in the status`] : [];
    const id = unit.id === null || !isDriverReadable.value ? "" : `0x${unit.id.toString(16)}`;
    if (shown.tdxIommuId !== id) return [`${unit.regBase} has id "${id}", the status says "${shown.tdxIommuId}"`];
    const expected = expectedUnit(world, unit);
    if (shown.reason === expected || (isUnsure(world) && shown.reason === "ClearBlocked")) return [];
    if (expected === "SetupSucceeded" && isSecuredUnseen(world, unit) && /^Setup(Running|Retrying)$/.test(shown.reason)) return [];
    return [`${unit.regBase} should be ${expected}, the status says ${shown.reason}${shown.message === "" ? "" : ` (${shown.message})`}`];
  });
}

function isShown({ host, isDriverReadable }: World, { regBase }: ModuleUnit): boolean {
  const hostUnit = host.unit(regBase);
  return isDriverReadable.value || (host.isReadable.value && hostUnit?.isPresent.value === true && hostUnit.isReadable.value);
}

function expectedUnit(world: World, unit: ModuleUnit): Reason {
  const { host, module, api, isDriverReadable } = world;
  const { intent } = api.spec;
  const hostUnit = host.unit(unit.regBase);
  const isOnHost = host.isReadable.value && hostUnit?.isPresent.value === true && hostUnit.isReadable.value;
  const isInTable = isDriverReadable.value && unit.isPresent.value;
  if (!isInTable && isOnHost && !unit.canConnect) return "TdxConnectMissing";
  if (!isDriverReadable.value) return "DriverUnreadable";
  if (!isInTable) return isOnHost ? "NotListedByDriver" : "UnitMissing";
  if (intent === null || !isSelected(intent, unit.regBase)) return "NotSelected";
  if (unit.isForeign) return "ForeignOwner";
  if (!unit.canConnect) return "TdxConnectMissing";
  if (unit.state === "Unsupported") return "RejectedByModule";
  if (unit.state === "Unknown" && host.isReadable.value && !isOnHost) return "UnitMissing";
  const isCallable = module.environment.value === "Ok";
  if (!isCallable && (unit.id !== null || unit.state === "Unknown")) return "TrustLost";
  if (unit.trust.value !== null && intent.state === "Trusted") return "SetupSucceeded";
  if (unit.id !== null) return againstClear(world, unit);
  if (intent.state === "Trusted") return againstSetup(world, unit);
  return unit.state === "Failed" && unit.lastCall?.leaf === SETUP_LEAF ? "SetupFailed" : "Cleared";
}

/** A unit that should be trusted and is not: only these may keep it. */
function againstSetup(world: World, unit: ModuleUnit): Reason {
  const { host, module, shape } = world;
  if (!host.isReadable.value) return "HostUnreadable";
  if (module.environment.value !== "Ok") return "EnvironmentNotReady";
  if (!shape.isSimulated && !shape.realSetup) return "RealSetupDisabled";
  const below = host.functions.filter((fn) => fn.isPresent.value && !isSeenUnlinked(world, fn) && mayBeBelow(world, fn, unit.regBase));
  if (below.some((fn) => fn.showsSecured)) return "LinkSecuredBeforeSetup";
  if (below.some((fn) => !fn.isLinkReadable.value || !fn.isTsmFree.value)) return "LinkUnknown";
  const hostUnit = host.unit(unit.regBase);
  const used = hostUnit?.isPresent.value && hostUnit.isReadable.value ? hostUnit.domainsUsed.value : Number.POSITIVE_INFINITY;
  if (shape.didUnreserved && used >= MANY_DOMAIN_IDS) return "DomainIdsInUse";
  const { lastCall } = unit;
  return unit.state === "Failed" && lastCall?.leaf === SETUP_LEAF && isFatal(lastCall.status) ? "SetupFailed" : "SetupSucceeded";
}

/** The TDX module sees a stream of a function that the kernel shows below no unit: it refuses SETUP for as long as that is so. */
function isSecuredUnseen({ host }: World, { regBase }: ModuleUnit): boolean {
  return host.below(regBase).some((fn) => fn.hasIdeStream && !fn.isUnitLinked.value);
}

/** A unit that should be cleared and is not. */
function againstClear(world: World, unit: ModuleUnit): Reason {
  const { host, api, shape, specs } = world;
  if (!host.isReadable.value || host.units.some((one) => one.isPresent.value && !one.isReadable.value)) return "ClearBlocked";
  const below = host.functions.filter((fn) => mayBeBelow(world, fn, unit.regBase));
  const asked = new Set((api.spec.intent?.resources ?? []).map((rule) => rule.name));
  const isHeld = api.pods.some((pod) => {
    const ids = pod.stage === "Held" ? pod.ids : [];
    if (ids.some((id) => below.some((fn) => fn.address === id)) && !pod.isTerminating) return true;
    // Nobody can tell what a pod that waits, or one that is on its way out, has or will have.
    if (shape.isStandalone || !pod.isInApi || !pod.isAlive || isOverForAll(pod)) return false;
    // Kubelet does not show what it has forgotten.
    return pod.isTerminating || pod.isForgotten ? isOurs(pod.resource) : pod.stage === "Waiting" && asked.has(pod.resource);
  });
  const isElsewhere = below.some((fn) => knownToBeTaken(world, fn) !== null);
  const unplaced = host.functions.filter((fn) => isUnplaced(world, fn));
  const isNamed = !specs.areWritable.value && specsInPlace(world).some(({ id }) => [...below, ...unplaced].some((fn) => fn.address === id));
  const isDras = isAnyFileUnread(world) || below.some((fn) => isClaimed(world, fn.address) || isStuckInSlice(world, fn.address));
  if (isHeld || isElsewhere || isNamed || isDras || below.some((fn) => fn.isPresent.value && fn.isBusy)) return "ClearBlocked";
  if (!shape.honoursNotAfter) return "DriverTooOld";
  if (!shape.isSimulated && !shape.realSetup) return "ClearRetrying";
  const { lastCall } = unit;
  return unit.state === "Failed" && lastCall?.leaf === CLEAR_LEAF && isFatal(lastCall.status) ? "ClearFailed" : "Cleared";
}

/** All our resources, under old names and new, are of one domain. */
function isOurs(resource: string): boolean {
  return resource.startsWith("teeio.dev/");
}

/**
 * A pod, also one of another plugin, holds something of which nobody can tell below which unit it is or, by its id, any more what it is, or waits for a name that was ours once, or runs and kubelet without an API
 * server has forgotten it: an agent that knows of it is blocked, one that came later is not.
 */
function isUnsure(world: World): boolean {
  const { api, host, kubelet, shape } = world;
  if (shape.isStandalone && api.pods.some((pod) => (pod.isTerminating || pod.isForgotten) && pod.hasProcess)) return true;
  const isHidden = (address: string): boolean => {
    const fn = host.find(address);
    return !fn?.isPresent.value || !host.showsUnitOf(fn);
  };
  const isNoName = (address: string): boolean => host.functions.some((fn) => fn.address === address && knownToBeTaken(world, fn) === null);
  if (kubelet.others.some(({ address }) => address !== null && (isHidden(address) || isNoName(address)))) return true;
  return api.pods.some((pod) => (pod.stage === "Held" ? pod.ids.some(isHidden) : pod.stage === "Waiting" && pod.isAlive && isOurs(pod.resource)));
}
