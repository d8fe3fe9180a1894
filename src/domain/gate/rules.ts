// SPDX-License-Identifier: Apache-2.0

/** The gate's rules, in order, and which of them speak of what. */
import { requesterIdOf } from "../address.ts";
import type { TsmRead } from "../device.ts";
import { FORGOTTEN, type Hold, isForgotten } from "../holds.ts";
import { selectsUnit } from "../intent.ts";
import { atMostThree } from "../link-names.ts";
import { isFailed, type LinkFailure } from "../links/error.ts";
import { isCoverable, isCovered } from "../links/use.ts";
import { linkKey, type SpecProof } from "../proofs.ts";
import type { DeviceReason } from "../reason.ts";
import { domainOf, domainsOf } from "../resource-name.ts";
import { specName } from "../specs.ts";
import { holderOnHost } from "../unknown-holders.ts";
import type { Facts, Rule } from "./inputs.ts";
import { because, hexRid, linkText, rangeText, selectionText, TSM_TEXT, teeIoText, unitText } from "./texts.ts";

/** In the order in which they are tested; the first that fails is the reason. */
export const GATE_RULES: readonly Rule[] = [
  {
    reason: "DeviceMissing",
    passes: ({ fn }) => fn !== null,
    read: ({ fn, address }) => (fn ? `${fn.address} ${fn.vendor}:${fn.device} class ${fn.class} ${fn.functionType}` : `${address} is not on the bus`),
  },
  {
    reason: "CapabilityUnknown",
    passes: ({ fn }) => fn?.teeIo !== "Unknown",
    read: ({ fn }) => teeIoText(fn),
  },
  { reason: "NotTeeCapable", passes: ({ fn }) => fn?.teeIo === "Yes", read: ({ fn }) => teeIoText(fn) },
  { reason: "NoIntent", passes: ({ intent }) => intent !== null, read: ({ intent }) => (intent ? `spec.state ${intent.state}` : "no TrustedIommu") },
  { reason: "NoResourceMatches", passes: ({ resource }) => resource !== null, read: ({ resource }) => resource?.name ?? "no match" },
  {
    reason: "LedgerNotServed",
    passes: ({ resource }) => resource?.ledger === "DevicePlugin",
    read: ({ resource }) => `ledger ${resource?.ledger ?? "none"}`,
  },
  {
    reason: "NameServedByOther",
    passes: ({ resource, memory }) => !memory.taken.has(resource?.name ?? ""),
    read: ({ resource, memory }) => memory.taken.get(resource?.name ?? "") ?? "no other plugin is seen to serve the name",
  },
  {
    reason: "UnitUnreadable",
    passes: ({ fn }) => fn?.unit.kind !== "Unreadable",
    read: ({ fn }) => (fn?.unit.kind === "Unreadable" ? fn.unit.why : `unit link ${fn?.unit.kind ?? "unread"}`),
  },
  {
    reason: "NoUnit",
    passes: ({ regBase }) => regBase !== null,
    read: ({ fn }) => unitText(fn),
  },
  {
    reason: "UnitNotSelected",
    passes: ({ intent, regBase }) => intent !== null && regBase !== null && selectsUnit(intent, regBase),
    read: ({ intent }) => selectionText(intent),
  },
  { reason: "IntentCleared", passes: ({ intent }) => intent?.state === "Trusted", read: ({ intent }) => `spec.state ${intent?.state ?? "none"}` },
  {
    reason: "DriverUnreadable",
    passes: ({ units }) => units !== null,
    read: ({ units, driverProblem }) => (units ? "driver read" : driverProblem),
  },
  {
    reason: "LinkSecuredBeforeSetup",
    // Once secure, a link proves nothing about its beginning: an earlier reading must have found it insecure in this epoch.
    passes: (facts) => facts.slot !== null && (facts.slot.link.state !== "Secure" || isLinkChecked(facts)),
    read: (facts) => {
      const seen = isLinkChecked(facts) ? "read insecure after SETUP" : "not read insecure since SETUP";
      return `link ${facts.slot?.link.state ?? "unread"}, ${seen}, unit ${facts.fact?.entry.state ?? "not in the driver"}`;
    },
  },
  {
    reason: "UnitNotTrusted",
    passes: ({ fact, memory }) => fact?.epoch != null && !memory.verifying.has(fact.entry.regBase),
    read: ({ fact, regBase, memory }) =>
      fact
        ? `unit ${fact.entry.regBase} is ${fact.entry.state}, epoch ${fact.epoch ?? "none"}${memory.verifying.has(fact.entry.regBase) ? ", its links are still to be read again" : ""}`
        : `unit ${regBase ?? ""} is not in the driver`,
  },
  {
    reason: "LinkUnknown",
    passes: ({ fn, slot }) =>
      fn?.isIdeRead === true && slot !== null && slot.link.state !== "Unknown" && isTaken(slot.linkRead.tsm) && isTaken(fn.boundRead),
    read: ({ fn, slot }) => {
      const tsm = [slot?.linkRead.tsm, fn?.boundRead].find((read) => read !== undefined && read !== "Read") ?? "Read";
      const isUnread = tsm === "Read" && (slot?.link.state === "Unknown" || fn?.isIdeRead === false);
      const problem = isUnread ? (fn?.configProblem ?? "") : "";
      return `${linkText(slot)}${TSM_TEXT[tsm]}${because(problem)}`;
    },
  },
  {
    // Its session is with that function: what it says of this device is not this device's word.
    reason: "DsmElsewhere",
    passes: ({ slot }) => slot !== null && (slot.dsm === "" || slot.dsm === slot.owner),
    read: ({ slot }) => `tsm/dsm "${slot?.dsm ?? ""}" of ${slot?.owner ?? "no slot"}`,
  },
  {
    // Who was given it already keeps it.
    reason: "CarriesOthers",
    passes: ({ address, purpose, hold, memory }) => purpose === "PreStart" || isGiven(hold) || !memory.carried.has(address),
    read: ({ address, memory }) =>
      `functions that share its link: ${atMostThree(memory.carried.get(address) ?? []) || "none that may be given away"}`,
  },
  {
    reason: "NoStreamFree",
    passes: ({ slot, purpose, hold, memory }) => purpose === "PreStart" || isGiven(hold) || !memory.withoutStream.has(slot?.owner ?? ""),
    read: ({ slot }) => `${slot?.streamsLeft ?? "enough"} IDE streams left at ${slot?.hostBridge ?? "its host bridge"}, other devices come first`,
  },
  {
    reason: "NoTsm",
    passes: ({ intent, slot }) => intent?.link.enable !== "OnPrepare" || (slot !== null && slot.tsms.length > 0),
    read: ({ slot }) => `link TSMs of this host: ${slot?.tsms.join(" ") || "none"}`,
  },
  {
    reason: "TsmAmbiguous",
    passes: ({ intent, slot }) => intent?.link.enable !== "OnPrepare" || (slot !== null && slot.tsms.length < 2),
    read: ({ slot }) => `link TSMs of this host: ${slot?.tsms.join(" ") || "none"}`,
  },
  {
    reason: "AuthenticationFailed",
    passes: (facts) => failureOf(facts)?.kind !== "Authentication",
    read: failureText,
  },
  {
    reason: "LinkFailed",
    passes: (facts) => failureOf(facts) === null || failureOf(facts)?.kind === "Authentication",
    read: failureText,
  },
  {
    // Who has the device already keeps it: what blocks the repair may end.
    reason: "RepairBlocked",
    passes: ({ intent, slot, memory, hold, purpose }) =>
      intent?.link.enable !== "OnPrepare" || !memory.linkWork.blocked.has(slot?.owner ?? "") || (isGiven(hold) && purpose === "List"),
    read: ({ slot, memory }) => memory.linkWork.blocked.get(slot?.owner ?? "") ?? "no repair is blocked",
  },
  {
    // The core takes no notice of a reset: tsm/connect still names the TSM when the stream is off.
    reason: "LinkBroken",
    passes: (facts) => !isLost(facts) || isRepairedForStart(facts),
    read: ({ slot }) => linkText(slot),
  },
  {
    // The range is fixed when a TSM connects: it ends at function 0, or at the last virtual function that was there then.
    reason: "LinkNotCovering",
    passes: (facts) =>
      !isNeverCovered(facts) && (isSecuredAlso(facts) || (isGiven(facts.hold) && facts.fn?.functionType === "Virtual" && isRepairedForStart(facts))),
    read: (facts) => {
      const { address, slot } = facts;
      const covers = isNeverCovered(facts) ? ", and no kernel covers a physical function but function 0" : "";
      return `requester ID ${hexRid(requesterIdOf(address))}, secured ${slot?.covers.map(rangeText).join(" ") || "none"}${covers}`;
    },
  },
  {
    // At PreStart the holder may be the pod's own virtual machine monitor.
    reason: "HeldByUnknown",
    passes: (facts) => facts.purpose === "PreStart" || unknownHolder(facts) === "",
    read: (facts) => unknownHolder(facts) || "no holder that kubelet does not know",
  },
  {
    // Before the rules about our own holds: it cannot be proven when another ledger gave it.
    reason: "HeldByOtherLedger",
    passes: (facts) => !isHeldElsewhere(facts),
    read: ({ hold }) =>
      hold ? `held by ${hold.pod === "" ? "no pod that is known" : `pod ${hold.pod}`} as ${hold.resource ?? "unknown"}` : "not held",
  },
  {
    // An answer of ours outlives a reboot, trust does not: a container starts only with what was given in this epoch.
    reason: "HeldAcrossTrustLoss",
    passes: ({ purpose, hold, fact }) => (hold === null ? purpose !== "PreStart" : hold.epoch === (fact?.epoch ?? null) && hold.epoch !== null),
    read: ({ purpose, hold }) =>
      hold ? `held since epoch ${hold.epoch ?? "unproven"}` : purpose === "PreStart" ? "not known to be given" : "not held",
  },
  {
    reason: "HeldUnderOtherName",
    passes: ({ hold, resource }) => (hold?.resource ?? resource?.name) === resource?.name,
    read: ({ hold }) => (hold ? `held as ${hold.resource ?? "unknown"}` : "not held"),
  },
  {
    // Kubelet repeats the answer of Allocate, and its node may be another device's by now: the kernel reuses the numbers of vfio devices.
    reason: "GivenNodeChanged",
    passes: ({ purpose, hold, fn }) => purpose !== "PreStart" || hold?.node === fn?.vfioCdev,
    read: ({ hold, fn }) => `given ${hold?.node ?? "no node that is known"}, now ${fn?.vfioCdev ?? "none"}`,
  },
  {
    reason: "NoVfioDevice",
    passes: ({ fn }) => fn?.vfioCdev != null,
    read: ({ fn }) => `driver ${fn?.driver ?? "none"}, vfio cdev ${fn?.vfioCdev ?? "none"}`,
  },
  {
    // The last before what is written: a start waits for it, and nothing else must be in its way.
    reason: "LinkNotSecured",
    passes: ({ purpose, intent, slot }) =>
      purpose !== "PreStart" || intent?.link.enable === "Never" || (slot?.link.state === "Secure" && slot.linkRead.tsm !== "Writing"),
    read: ({ slot, intent }) => `${linkText(slot)}, spec.link.enable ${intent?.link.enable ?? "unread"}`,
  },
  {
    reason: "ProofUnwritable",
    passes: ({ memory }) => memory.proofProblem === "",
    read: ({ memory }) => memory.proofProblem || "proofs are written",
  },
  {
    reason: "CdiUnwritable",
    passes: (facts) => !facts.memory.specs.isServed || specOf(facts)?.node === (facts.fn?.vfioCdev ?? null),
    read: (facts) => {
      const { isServed, problem } = facts.memory.specs;
      // Neither a machine without kubelet nor `explain` writes any.
      if (!isServed) return "no CDI spec is written here";
      const spec = specOf(facts);
      return problem || (spec ? `the CDI spec gives ${spec.node ?? "no node"}` : "no CDI spec is in place");
    },
  },
];

/** What can be said of a device before the intent and its holders are known: it is there, its unit is trusted, its link is in order. */
const OF_THE_DEVICE: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "DeviceMissing",
  "CapabilityUnknown",
  "NotTeeCapable",
  "UnitUnreadable",
  "NoUnit",
  "DriverUnreadable",
  "LinkSecuredBeforeSetup",
  "UnitNotTrusted",
  "LinkUnknown",
  "DsmElsewhere",
  "LinkBroken",
  "LinkNotCovering",
]);
export const DEVICE_RULES: readonly Rule[] = GATE_RULES.filter((rule) => OF_THE_DEVICE.has(rule.reason));

const OF_THE_INTENT: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "NoIntent",
  "NoResourceMatches",
  "LedgerNotServed",
  "UnitNotSelected",
  "IntentCleared",
]);
/** The same, and whether the device is wanted. */
export const DEVICE_AND_INTENT_RULES: readonly Rule[] = GATE_RULES.filter(({ reason }) => OF_THE_DEVICE.has(reason) || OF_THE_INTENT.has(reason));

const OF_THE_LINK: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "AuthenticationFailed",
  "LinkFailed",
  "RepairBlocked",
  "LinkBroken",
  "LinkNotCovering",
  "LinkNotSecured",
]);
/** What decides who gets one of the streams that are left: all but that, and whether what is written is in place. */
export const RATION_RULES: readonly Rule[] = GATE_RULES.filter(
  ({ reason }) => reason !== "NoStreamFree" && reason !== "CdiUnwritable" && reason !== "ProofUnwritable",
);

/** What must hold before the link of a device that was given away is secured: all but what is wrong until it is. */
export const SECURE_RULES: readonly Rule[] = GATE_RULES.filter(({ reason }) => !OF_THE_LINK.has(reason));

/** What a start waits for: this agent, or another program, is about to put it right. */
export const WAITED_FOR: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "LinkUnknown",
  "RepairBlocked",
  "LinkBroken",
  "LinkNotCovering",
  "LinkNotSecured",
]);

/** What a CDI spec follows from: all but whether it is in place, and in whose turn it is to be given away. */
export const SPEC_RULES: readonly Rule[] = GATE_RULES.filter(({ reason }) => reason !== "CdiUnwritable" && reason !== "NoStreamFree");

/** Read, or what was read before is still to be taken. */
function isTaken(read: TsmRead): boolean {
  return read === "Read" || read === "Stands" || read === "Writing";
}

function isLost({ slot }: Facts): boolean {
  return slot === null || (slot.link.state === "Secure" && slot.link.streamSecure !== "Yes");
}

/** By this program, as far as is known. */
function isGiven(hold: Hold | null): boolean {
  return hold?.epoch != null;
}

/** A link is asked for, and no link can be this function's. */
function isNeverCovered({ fn, slot, intent }: Facts): boolean {
  return fn !== null && slot !== null && intent !== null && intent.link.enable !== "Never" && !isCoverable(fn, slot.owner);
}

/** Whom a stream covers that is off says nothing. */
function isSecuredAlso({ fn, slot }: Facts): boolean {
  return fn !== null && slot !== null && (slot.link.state !== "Secure" || slot.link.streamSecure !== "Yes" || isCovered(fn, slot));
}

/**
 * This agent puts the link right before a container starts with the device. Until then it keeps its place in lists and its CDI spec: each guest that
 * reboots resets its device, and kubelet fails pods whose device is unhealthy when it starts.
 */
function isRepairedForStart({ purpose, intent, slot }: Facts): boolean {
  return (
    purpose !== "PreStart" && intent?.link.enable === "OnPrepare" && slot !== null && slot.link.tsm !== "" && slot.link.streamSecure !== "Unknown"
  );
}

/** Writes of ours that failed for good, unless the link is in order all the same. */
function failureOf({ intent, slot, memory }: Facts): LinkFailure | null {
  if (intent?.link.enable !== "OnPrepare" || slot === null || slot.link.streamSecure === "Yes") return null;
  const failure = memory.linkWork.failures.get(slot.owner);
  return isFailed(failure) ? failure : null;
}

function failureText(facts: Facts): string {
  const failure = failureOf(facts);
  return failure === null ? "no write of its link has failed for good" : `${failure.count} attempts, the last: ${failure.problem}`;
}

function isLinkChecked({ slot, fact, memory }: Facts): boolean {
  return slot !== null && fact?.epoch != null && memory.checkedLinks.has(linkKey(slot.owner, fact.epoch));
}

/** Who has the device although kubelet gives it to no pod. Allocate finds every holder in the way: kubelet counts the device as free. */
function unknownHolder({ purpose, address, fn, slot, hold, memory, kubelet }: Facts): string {
  const known = memory.unknownHolders.get(address) ?? (hold !== null && hold.resource === null ? "a process or a TD of no pod, a moment ago" : "");
  if (known !== "" || purpose !== "Allocate" || fn === null) return known;
  // What an earlier kubelet gave may be in use soon: this one may have started from an older checkpoint.
  if (isForgotten(hold, kubelet)) return FORGOTTEN;
  if (fn.holders.kind === "Unreadable") return `its holders cannot be read: ${fn.holders.why}`;
  // A TDI is bound only below a link that is connected, and by who has the device open: where an earlier reading stands, the search for holders tells.
  const isHidden = fn.bound === "Unknown" && fn.boundRead !== "Stands" && slot?.link.state !== "Insecure";
  return isHidden ? "tsm/bound cannot be read" : holderOnHost(fn);
}

function specOf({ address, resource, memory }: Facts): SpecProof | undefined {
  return memory.specs.proven.get(specName(resource?.name ?? "", address));
}

/** Held under a name in none of the domains that are, or were, ours. */
function isHeldElsewhere({ hold, intent, memory }: Facts): boolean {
  const held = hold?.resource ?? null;
  return held !== null && !domainsOf([...memory.resources, ...(intent?.resources ?? []).map((rule) => rule.name)]).has(domainOf(held));
}
