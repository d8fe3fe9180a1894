// SPDX-License-Identifier: Apache-2.0

/** What the status and kubelet's lists of a quiet node must say of its devices: the checker's own statement, from the models' truth. */
import type { ResourceRule } from "../../../src/domain/intent.ts";
import type { DeviceStatus } from "../../../src/domain/status.ts";
import { takenByOther } from "../life/taken.ts";
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import { isWaitingForDriver, keptFromVfio, sharesGroup } from "./expected-driver.ts";
import { isClaimed, isFineInLedgers, isGivable, isListedElsewhere, isServed, isShownAllocated, isStuckInSlice } from "./expected-ledger.ts";
import { isSelected } from "./setup-rules.ts";

type Reason = DeviceStatus["reason"];

export function deviceComplaints(world: World): readonly string[] {
  const { api, host, shape } = world;
  if (!host.isReadable.value) return [];
  return host.functions.flatMap((fn) => {
    const shown = api.status?.devices.find((device) => device.address === fn.address);
    const reason = expectedDevice(world, fn);
    const complaints: string[] = [];
    if (shown && !isFine(world, fn, { shown: shown.reason, expected: reason }))
      complaints.push(`${fn.address} should be ${reason}, the status says ${shown.reason}${shown.message === "" ? "" : ` (${shown.message})`}`);
    if (!shown && mustBeShown(world, fn, reason)) complaints.push(`${fn.address} should be ${reason} and is not in the status`);
    const taker = takerOf(world, fn);
    const isListed = isGivable(world, fn, taker);
    const isStuck = isListed && taker?.ledger === "DRA" && isStuckInSlice(world, fn.address);
    if (isStuck && shown && shown.reason !== "Offered" && isUntroubled(world))
      complaints.push(`${fn.address} is stuck in a slice, and the status does not say that anything is wrong`);
    const mayStay = isListed && taker?.ledger === "DRA" && (isStuck || isShownAllocated(world, fn.address));
    if (shape.hasKubelet && shown && !mayStay && isListed !== (shown.reason === "Offered"))
      complaints.push(
        `${fn.address} is ${isListed ? "" : "not "}in ${taker?.ledger === "DRA" ? "a slice" : "kubelet's list"}, the status says ${shown.reason}`,
      );
    return complaints;
  });
}

/** Where the truth alone does not decide: who looks cannot know when a holder or a link came. */
function isFine(world: World, fn: HostFunction, reason: { readonly shown: Reason; readonly expected: Reason }): boolean {
  const { api, shape, specs } = world;
  if (reason.shown === reason.expected) return true;
  if (isFineInLedgers(world, fn, reason.shown)) return true;
  // Without its proofs an agent takes a pod with what the name had before a change of the spec for another plugin's.
  if (reason.shown === "NameServedByOther")
    return world.kubelet.others.some((other) => other.address === null) || api.pods.some((pod) => pod.stage === "Held");
  // A folder that cannot be written is noticed when there is something to write; a spec that is not written calls for no proof.
  if (reason.shown === "Offered" && reason.expected === "ProofUnwritable") return true;
  if (reason.shown === "CdiUnwritable" && reason.expected === "ProofUnwritable") return !specs.areWritable.value;
  // An agent does not know what an earlier one has written.
  if (reason.shown === "CdiUnwritable" && reason.expected === "Offered") return !specs.areWritable.value;
  // A link that is not as it should be is repaired or released, or waits for something; expected-link.ts says when it must have been.
  if (shape.linkEnable === "OnPrepare" && fn.link.value !== "Off" && OF_A_REPAIR.has(reason.shown)) return true;
  // A repair that begins after the list does not close it, and a full disk is the last thing that does.
  if (shape.linkEnable === "OnPrepare" && fn.link.value !== "Off" && reason.shown === "ProofUnwritable") return !world.proofs.areWritable.value;
  if (shape.linkEnable === "OnPrepare" && fn.isUncovered && reason.shown === "LinkNotCovering") return true;
  if (shape.linkEnable === "OnPrepare" && (reason.shown === "LinkFailed" || reason.shown === "AuthenticationFailed")) return true;
  // Which of several devices has the last stream is the agent's to choose; that one of them has it is in expected-link.ts.
  if (reason.shown === "NoStreamFree" && world.host.streamsLeft !== null) return true;
  if (reason.shown === "LinkNotCovering" && isNeverCovered(world, fn)) return true;
  // Somebody has, or had a moment ago, another function of its slot.
  if (reason.shown === "CarriesOthers") return world.host.functions.some((one) => one.linkOwner === fn && mayBeInHands(world, one));
  if (isWaitingForDriver(world, fn, reason.shown)) return true;
  // What was read before the block may stand, or not.
  if (!fn.isTsmFree.value && (reason.shown === "LinkUnknown" || reason.expected === "LinkUnknown")) return true;
  const isSuspect = (fn.link.value !== "Off" || !fn.isLinkReadable.value || !fn.isTsmFree.value) && reason.shown === "LinkSecuredBeforeSetup";
  const isHidden = !fn.isTsmFree.value || !fn.areHoldersReadable.value || !fn.areOpensShown.value || !fn.isBoundReadable.value;
  // A pod on its way out may still have a device that it was given before a loss of trust, and only the API, or its process, shows it.
  const lingers = api.pods.some((pod) => pod.isAlive && pod.isTerminating && (shape.isStandalone ? pod.hasProcess : pod.isInApi));
  // A pod that kubelet has forgotten keeps it from being believed about any device.
  const isForgotten = api.pods.some((pod) => pod.isForgotten && pod.stage === "Held" && (shape.isStandalone ? pod.hasProcess : pod.isInApi));
  const mayBeHeld =
    isHidden ||
    lingers ||
    isForgotten ||
    fn.opens.value > 0 ||
    fn.isBound.value ||
    isClaimed(world, fn.address) ||
    api.pods.some((pod) => pod.stage === "Held" && pod.ids.includes(fn.address));
  return isSuspect || ((mayBeHeld || takenByOther(world, fn.address) !== null) && reason.shown.startsWith("Held"));
}

function isUntroubled({ api }: World): boolean {
  return api.status?.conditions.some(({ type, status }) => type === "Degraded" && status === "False") ?? false;
}

const OF_A_REPAIR: ReadonlySet<Reason> = new Set(["Offered", "LinkBroken", "RepairBlocked"]);

/** What is offered, what is undecided, and what a pod has in its hands: of one that kubelet has forgotten nothing may tell, after a reboot. */
function mustBeShown({ api }: World, fn: HostFunction, reason: Reason): boolean {
  const isHeld = api.pods.some((pod) => pod.stage === "Held" && !pod.isTerminating && !pod.isForgotten && pod.ids.includes(fn.address));
  return reason === "Offered" || reason === "CapabilityUnknown" || reason === "DeviceUnreachable" || (reason === "DeviceMissing" && isHeld);
}

function takerOf({ api }: World, fn: HostFunction) {
  return api.spec.intent?.resources.find((rule) => rule.match.vendors?.includes(fn.vendor));
}

/** Why a device is withheld, in the order in which people look for it: the device, the wish, the unit, the link, the holder. */
function expectedDevice(world: World, fn: HostFunction): Reason {
  const { intent } = world.api.spec;
  const taker = takerOf(world, fn);
  if (!fn.isPresent.value) return "DeviceMissing";
  if (!fn.answers.value) return "DeviceUnreachable";
  if (!fn.isConfigReadable.value) return "CapabilityUnknown";
  if (!fn.isTeeCapable) return "NotTeeCapable";
  if (intent === null) return "NoIntent";
  if (taker === undefined) return "NoResourceMatches";
  if (!isServed(world, taker)) return "LedgerNotServed";
  if (taker.driver.bind === "Native") return "NativeDriver";
  if (!world.host.showsUnitOf(fn)) return "UnitUnreadable";
  if (fn.regBase === null || !fn.isUnitLinked.value) return "NoUnit";
  if (!isSelected(intent, fn.regBase)) return "UnitNotSelected";
  if (intent.state === "Cleared") return "IntentCleared";
  if (!world.isDriverReadable.value) return "DriverUnreadable";
  return byTrust(world, fn, taker);
}

function byTrust(world: World, fn: HostFunction, { name: resource, driver, ledger }: ResourceRule): Reason {
  const isTrusted = world.module.find(fn.regBase ?? "")?.trust.value != null;
  if (fn.showsSecured && !isTrusted) return "LinkSecuredBeforeSetup";
  if (!isTrusted) return "UnitNotTrusted";
  if (!fn.isLinkReadable.value || !fn.isBoundReadable.value) return "LinkUnknown";
  if (fn.isManagedElsewhere) return "DsmElsewhere";
  const isGiven = isClaimed(world, fn.address) || world.api.pods.some((pod) => pod.stage === "Held" && pod.ids.includes(fn.address));
  if (!isGiven && carries(world, fn)) return "CarriesOthers";
  const { tsms } = world.host;
  if (world.shape.linkEnable === "OnPrepare" && tsms.value !== 1) return tsms.value === 0 ? "NoTsm" : "TsmAmbiguous";
  if (fn.link.value === "Broken" || fn.link.value === "Foreign") return "LinkBroken";
  if (fn.isUncovered || isNeverCovered(world, fn)) return "LinkNotCovering";
  const isElsewhere = world.api.pods.some(
    (pod) => pod.stage === "Held" && !pod.isTerminating && pod.resource !== resource && pod.ids.includes(fn.address),
  );
  if (isElsewhere) return "HeldUnderOtherName";
  if (!isGiven && isListedElsewhere(world, fn)) return "OfferedByOther";
  const keptFrom = driver.bind === "Vfio" ? keptFromVfio(world, fn) : fn.isOnVfio.value ? null : "NoVfioDevice";
  if (sharesGroup(world, fn) && !isGiven) return "GroupNotOurs";
  if (keptFrom !== null) return keptFrom;
  if (!world.proofs.areWritable.value) return "ProofUnwritable";
  // What a claim is given its own file names, once it is prepared.
  if (ledger === "DRA") return "Offered";
  return world.specs.areWritable.value || isSpecRight(world, fn, resource) ? "Offered" : "CdiUnwritable";
}

function isNeverCovered({ shape }: World, fn: HostFunction): boolean {
  return shape.linkEnable !== "Never" && fn.physical === null && fn.linkOwner !== null;
}

function mayBeInHands(world: World, fn: HostFunction): boolean {
  const { api } = world;
  // A hold goes on for as long as some pod is not accounted for, of which the truth alone tells nothing.
  if (api.status?.devices.find(({ address }) => address === fn.address)?.usedBy) return true;
  const isHidden = !fn.areHoldersReadable.value || !fn.areOpensShown.value || !fn.isBoundReadable.value || !fn.isTsmFree.value;
  return (
    isHidden ||
    fn.opens.value > 0 ||
    fn.isBound.value ||
    isClaimed(world, fn.address) ||
    api.pods.some((pod) => pod.isAlive && pod.ids.includes(fn.address))
  );
}

/** A virtual function that a resource takes has the link of its physical one. */
export function carries(world: World, fn: HostFunction): boolean {
  const { host, shape, api } = world;
  if (shape.linkEnable === "Never" || fn.linkOwner !== null) return false;
  const intent = api.spec.intent;
  return host.functions.some((one) => {
    const taker = intent?.resources.find((rule) => rule.match.vendors?.includes(one.vendor));
    const isSelectable =
      !host.showsUnitOf(one) || (one.isUnitLinked.value && one.regBase !== null && intent !== null && isSelected(intent, one.regBase));
    const mayBeCapable = one.isTeeCapable || !one.isConfigReadable.value;
    return one.physical === fn && one.isPresent.value && mayBeCapable && isSelectable && isServed(world, taker);
  });
}

function isSpecRight({ specs, shape }: World, fn: HostFunction, resource: string): boolean {
  const nodes = specs.nodes.get(`${resource}=${fn.address}`);
  return nodes !== undefined && (shape.isSimulated || nodes[0] === fn.node.value);
}
