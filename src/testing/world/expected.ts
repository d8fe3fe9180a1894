// SPDX-License-Identifier: Apache-2.0

/**
 * What a healthy, quiet node must look like, from the models' truth: states of units, reasons in the status, lists in kubelet. The checker's own
 * statement, in its own words; of the agent only what it tells kubelet and the API is looked at.
 */
import type { DeviceStatus, UnitStatus } from "../../domain/status.ts";
import { againstIntent } from "./eligibility.ts";
import type { HostFunction } from "./host-function.ts";
import { CLEAR_LEAF, isFatal, SETUP_LEAF } from "./module-status.ts";
import type { ModuleUnit } from "./module-unit.ts";
import { isSelected, MANY_DOMAIN_IDS } from "./setup-rules.ts";
import type { World } from "./world.ts";

export function unitComplaints(world: World): readonly string[] {
  const { module, api } = world;
  const written = api.status;
  if (written === null) return ["there is no status"];
  return module.units.flatMap((unit) => {
    const shown = written.units.find((one) => one.regBase === unit.regBase);
    if (shown === undefined) return [`${unit.regBase} is not in the status`];
    const id = unit.id === null ? "" : `0x${unit.id.toString(16)}`;
    if (shown.tdxIommuId !== id) return [`${unit.regBase} has id "${id}", the status says "${shown.tdxIommuId}"`];
    const expected = expectedUnit(world, unit);
    return shown.reason === expected ? [] : [`${unit.regBase} should be ${expected}, the status says ${describe(shown)}`];
  });
}

const describe = (shown: UnitStatus | DeviceStatus): string => `${shown.reason}${shown.message === "" ? "" : ` (${shown.message})`}`;

/** The state that a quiet world ends in; what is still moving is never the end. */
function expectedUnit(world: World, unit: ModuleUnit): UnitStatus["reason"] {
  const intent = world.api.spec.intent;
  if (intent === null || !isSelected(intent, unit.regBase)) return "NotSelected";
  if (unit.isForeign) return "ForeignOwner";
  if (!unit.canConnect) return "TdxConnectMissing";
  if (unit.state === "Unsupported") return "RejectedByModule";
  if (unit.trust.value !== null) return intent.state === "Trusted" ? "SetupSucceeded" : againstClear(world, unit);
  const failed = unit.state === "Failed" ? unit.lastCall : null;
  if (unit.id !== null) return againstClear(world, unit);
  if (failed?.leaf === SETUP_LEAF && intent.state === "Cleared") return "SetupFailed";
  return intent.state === "Cleared" ? "Cleared" : againstSetup(world, unit);
}

/** A unit that should be trusted and is not: only these may keep it. */
function againstSetup(world: World, unit: ModuleUnit): UnitStatus["reason"] {
  const { host, shape } = world;
  const below = host.below(unit.regBase).filter((fn) => fn.isPresent.value);
  if (!shape.isSimulated && !shape.realSetup) return "RealSetupDisabled";
  if (below.some((fn) => fn.link.value !== "Off")) return "LinkSecuredBeforeSetup";
  const used = host.unit(unit.regBase)?.domainsUsed.value ?? 0;
  if (shape.didUnreserved && used >= MANY_DOMAIN_IDS) return "DomainIdsInUse";
  const { lastCall } = unit;
  return unit.state === "Failed" && lastCall?.leaf === SETUP_LEAF && isFatal(SETUP_LEAF, lastCall.status) ? "SetupFailed" : "SetupSucceeded";
}

/** A unit that should be cleared and is not. */
function againstClear(world: World, unit: ModuleUnit): UnitStatus["reason"] {
  const { host, api, shape } = world;
  const below = host.below(unit.regBase);
  const asked = new Set((api.spec.intent?.resources ?? []).map((rule) => rule.name));
  const isHeld = api.pods.some((pod) => {
    const ids = pod.stage === "Held" ? pod.ids : [];
    if (ids.some((id) => below.some((fn) => fn.address === id)) && !pod.isTerminating) return true;
    // Nobody can tell what a pod that waits, or one that is on its way out, has or will have.
    return !shape.isStandalone && pod.isInApi && pod.isAlive && (pod.stage === "Waiting" || pod.isTerminating) && isOurs(asked, pod.resource);
  });
  const isBusy = below.some((fn) => fn.isPresent.value && fn.isBusy);
  if (isHeld || isBusy) return "ClearBlocked";
  const { lastCall } = unit;
  if (!shape.isSimulated && !shape.realSetup) return "ClearRetrying";
  return unit.state === "Failed" && lastCall?.leaf === CLEAR_LEAF && isFatal(CLEAR_LEAF, lastCall.status) ? "ClearFailed" : "Cleared";
}

function isOurs(asked: ReadonlySet<string>, resource: string): boolean {
  return asked.has(resource) || resource.startsWith("teeio.dev/");
}

export function deviceComplaints(world: World): readonly string[] {
  const { api, host, kubelet, shape } = world;
  const asked = new Set((api.spec.intent?.resources ?? []).map((rule) => rule.name));
  return host.functions.flatMap((fn) => {
    const shown = api.status?.devices.find((device) => device.address === fn.address);
    const reason = expectedDevice(world, fn);
    // A pod on its way out may still have a device that it was given before a loss of trust, and only the API shows it.
    const lingers = !shape.isStandalone && api.pods.some((pod) => pod.isInApi && pod.isAlive && pod.isTerminating && isOurs(asked, pod.resource));
    const isHeld = lingers || fn.opens.value > 0 || fn.isBound.value || api.pods.some((pod) => pod.stage === "Held" && pod.ids.includes(fn.address));
    const resource = api.spec.intent?.resources.find((rule) => againstIntent(api.spec, { fn, resource: rule.name }) === "")?.name ?? "";
    const isListed = kubelet.healthy(resource).includes(fn.address);
    const complaints: string[] = [];
    // Whether a link came before SETUP or just after it, nobody can tell who reads it when both have happened.
    const isSuspect = fn.link.value !== "Off" && shown?.reason === "LinkSecuredBeforeSetup";
    const isFine = shown?.reason === reason || (isHeld && shown?.reason.startsWith("Held")) || isSuspect;
    if (shown && !isFine) complaints.push(`${fn.address} should be ${reason}, the status says ${describe(shown)}`);
    if (!shown && reason === "Offered") complaints.push(`${fn.address} should be offered and is not in the status`);
    if (shape.hasKubelet && shown && isListed !== (shown.reason === "Offered"))
      complaints.push(`${fn.address} is ${isListed ? "" : "not "}in kubelet's list, the status says ${describe(shown)}`);
    return complaints;
  });
}

/** Why a device is withheld, in the order in which people look for it: the device, the wish, the unit, the link, the holder. */
function expectedDevice(world: World, fn: HostFunction): DeviceStatus["reason"] {
  const { intent } = world.api.spec;
  const rule = intent?.resources.find((one) => one.match.vendors?.includes(fn.vendor));
  const unit = world.module.find(fn.regBase ?? "");
  if (!fn.isPresent.value) return "DeviceMissing";
  if (!fn.isTeeCapable) return "NotTeeCapable";
  if (intent === null) return "NoIntent";
  if (rule === undefined) return "NoResourceMatches";
  if (rule.ledger === "DRA") return "LedgerNotServed";
  if (fn.regBase === null) return "NoUnit";
  if (!isSelected(intent, fn.regBase)) return "UnitNotSelected";
  if (intent.state === "Cleared") return "IntentCleared";
  if (fn.link.value !== "Off" && unit?.trust.value == null) return "LinkSecuredBeforeSetup";
  if (unit?.trust.value == null) return "UnitNotTrusted";
  return fn.isOnVfio.value ? "Offered" : "NoVfioDevice";
}
