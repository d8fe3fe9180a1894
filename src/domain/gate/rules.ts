// SPDX-License-Identifier: Apache-2.0

import { DRA_DRIVER, nameInLedger } from "../dra/names.ts";
/** The gate's rules, in order. Those about links are in link-rules.ts, those about drivers in bind-rules.ts. */
import { FORGOTTEN, isForgotten } from "../holds.ts";
import { selectsUnit } from "../intent.ts";
import { linkKey, type SpecProof } from "../proofs.ts";
import { domainOf, domainsOf } from "../resource-name.ts";
import { specName } from "../specs.ts";
import { holderOnHost } from "../unknown-holders.ts";
import { BIND_RULES_IN_ORDER, GROUP_NOT_OURS, NATIVE_DRIVER } from "./bind-rules.ts";
import type { Facts, Rule } from "./inputs.ts";
import { isOfAsking, LEDGER_RULES } from "./ledger-rules.ts";
import { LINK_NOT_SECURED, LINK_RULES, NO_STREAM_LEFT } from "./link-rules.ts";
import { selectionText, teeIoText, unitText } from "./texts.ts";

/** In the order in which they are tested; the first that fails is the reason. */
export const GATE_RULES: readonly Rule[] = [
  {
    reason: "DeviceMissing",
    passes: ({ fn }) => fn !== null,
    read: ({ fn, address }) => (fn ? `${fn.address} ${fn.vendor}:${fn.device} class ${fn.class} ${fn.functionType}` : `${address} is not on the bus`),
  },
  {
    reason: "DeviceUnreachable",
    passes: ({ fn }) => fn?.answers === true,
    read: ({ fn }) => (fn?.answers === false ? fn.configProblem : "its configuration space answers"),
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
    passes: ({ resource, memory }) => resource?.ledger === "DevicePlugin" || memory.isDraServed,
    read: ({ resource, memory }) => `ledger ${resource?.ledger ?? "none"}${memory.isDraServed ? "" : ", and this agent serves no DRA"}`,
  },
  NATIVE_DRIVER,
  {
    reason: "NameServedByOther",
    passes: ({ resource, memory }) => resource?.ledger === "DRA" || !memory.taken.has(resource?.name ?? ""),
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
  ...LINK_RULES,
  ...LEDGER_RULES,
  {
    // At PreStart the holder may be the pod's own virtual machine monitor.
    reason: "HeldByUnknown",
    passes: (facts) => facts.purpose === "PreStart" || isOfAsking(facts) || unknownHolder(facts) === "",
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
    passes: ({ hold, resource }) => hold?.resource == null || hold.resource === nameInLedger(resource),
    read: ({ hold }) => (hold ? `held as ${hold.resource ?? "unknown"}` : "not held"),
  },
  {
    // Kubelet repeats the answer of Allocate, and its node may be another device's by now: the kernel reuses the numbers of vfio devices.
    reason: "GivenNodeChanged",
    passes: (facts) => (facts.purpose !== "PreStart" && !isOfAsking(facts)) || facts.hold?.node === facts.fn?.vfioCdev,
    read: ({ hold, fn }) => `given ${hold?.node ?? "no node that is known"}, now ${fn?.vfioCdev ?? "none"}`,
  },
  GROUP_NOT_OURS,
  ...BIND_RULES_IN_ORDER,
  {
    reason: "NoVfioDevice",
    passes: ({ fn }) => fn?.vfioCdev != null,
    read: ({ address, fn, memory }) => {
      const waits = memory.bindWork.waits.get(address) ?? "";
      return `driver ${fn?.driver ?? "none"}, vfio cdev ${fn?.vfioCdev ?? "none"}${waits === "" ? "" : `; ${waits}`}`;
    },
  },
  NO_STREAM_LEFT,
  LINK_NOT_SECURED,
  {
    reason: "ProofUnwritable",
    passes: ({ memory }) => memory.proofProblem === "",
    read: ({ memory }) => memory.proofProblem || "proofs are written",
  },
  {
    reason: "CdiUnwritable",
    // A claim's devices are named by the claim's own file, which is written when it is prepared.
    passes: (facts) => !facts.memory.specs.isServed || facts.resource?.ledger === "DRA" || specOf(facts)?.node === (facts.fn?.vfioCdev ?? null),
    read: (facts) => {
      const { isServed, problem } = facts.memory.specs;
      // Neither a machine without kubelet nor `explain` writes any.
      if (!isServed) return "no CDI spec is written here";
      const spec = specOf(facts);
      return problem || (spec ? `the CDI spec gives ${spec.node ?? "no node"}` : "no CDI spec is in place");
    },
  },
];

function isLinkChecked({ slot, fact, memory }: Facts): boolean {
  return slot !== null && fact?.epoch != null && memory.checkedLinks.has(linkKey(slot.owner, fact.epoch));
}

/** Who has the device although kubelet gives it to no pod. Allocate finds every holder in the way: kubelet counts the device as free. */
function unknownHolder({ purpose, address, fn, slot, hold, memory, kubelet }: Facts): string {
  const known = memory.unknownHolders.get(address) ?? (hold !== null && hold.resource === null ? "a process or a TD of no pod, a moment ago" : "");
  if (known !== "" || (purpose !== "Allocate" && purpose !== "Prepare") || fn === null) return known;
  // What an earlier kubelet gave may be in use soon: this one may have started from an older checkpoint.
  if (purpose === "Allocate" && isForgotten(hold, kubelet)) return FORGOTTEN;
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
  return (
    held !== null &&
    held !== DRA_DRIVER &&
    !domainsOf([...memory.resources, ...(intent?.resources ?? []).map((rule) => rule.name)]).has(domainOf(held))
  );
}
