// SPDX-License-Identifier: Apache-2.0

/**
 * The gate: the only place that says whether a device may be offered (I1). The device plugin's list, Allocate, PreStart, the status and `explain`
 * all ask it. Unknown is never yes, and no timeout opens it.
 */
import type { Address, PciFunction, TsmRead } from "./device.ts";
import type { UnitFact } from "./ground.ts";
import { type Intent, type ResourceRule, selectsUnit } from "./intent.ts";
import type { Memory } from "./memory.ts";
import type { DeviceReason } from "./reason.ts";
import { resourceFor } from "./selector.ts";
import type { RegBase } from "./unit.ts";

export interface GateInputs {
  readonly address: Address;
  readonly intent: Intent | null;
  /** Null: not on the bus now, or the host cannot be read. */
  readonly fn: PciFunction | null;
  /** Null: the binding cannot be read; the message says why. */
  readonly units: ReadonlyMap<RegBase, UnitFact> | null;
  readonly bindingProblem: string;
  readonly memory: Pick<Memory, "suspects" | "verifying" | "holds" | "specs">;
}

/** One rule of the gate, applied. */
export interface RuleResult {
  /** The reason with which a device is withheld when this rule fails. */
  readonly reason: Exclude<DeviceReason, "Offered">;
  readonly passed: boolean;
  /** The values the rule read, for `explain`. */
  readonly read: string;
}

export interface Verdict {
  readonly address: Address;
  readonly offered: boolean;
  readonly reason: DeviceReason;
  /** Empty when offered. */
  readonly message: string;
  /** The resource that takes the function, offered or not. */
  readonly resource: ResourceRule | null;
  /** Epoch of the unit above; null when it is not proven trusted. */
  readonly epoch: string | null;
  readonly rules: readonly RuleResult[];
}

/** What the rules look at: the inputs, and what follows from them. */
interface Facts extends GateInputs {
  readonly resource: ResourceRule | null;
  readonly regBase: RegBase | null;
  readonly fact: UnitFact | null;
}

interface Rule {
  readonly reason: Exclude<DeviceReason, "Offered">;
  passes(facts: Facts): boolean;
  read(facts: Facts): string;
}

function teeIoText(fn: PciFunction | null): string {
  return fn === null ? "TEE-I/O unread" : `TEE-I/O ${fn.teeIo}${because(fn.teeIoWhy)}`;
}

function unitText(fn: PciFunction | null): string {
  if (fn?.unit.kind === "Unit") return `${fn.unit.kernelName} at ${fn.unit.regBase}`;
  return fn?.unit.kind === "Unreadable" ? `iommu link to a unit that cannot be told: ${fn.unit.why}` : "no iommu link";
}

function linkText(fn: PciFunction | null): string {
  return `link ${fn?.link.state ?? "unread"}, tsm/connect "${fn?.link.tsm ?? ""}", stream secure ${fn?.link.streamSecure ?? "unread"}`;
}

function because(problem: string): string {
  return problem === "" ? "" : `: ${problem}`;
}

const TSM_TEXT: Readonly<Record<TsmRead, string>> = {
  Read: "",
  Failed: ", tsm/ cannot be read",
  Blocked: ", reading tsm/ blocks and nothing read before stands",
  Stands: ", reading tsm/ blocks and the last reading stands",
};

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
    reason: "BindingUnreadable",
    passes: ({ units }) => units !== null,
    read: ({ units, bindingProblem }) => (units ? "binding read" : bindingProblem),
  },
  {
    reason: "LinkSecuredBeforeSetup",
    passes: ({ fn, fact, memory }) => fn !== null && !memory.suspects.has(fn.address) && (fn.link.state !== "Secure" || fact?.epoch != null),
    read: ({ fn, fact }) => `link ${fn?.link.state ?? "unread"}, unit ${fact?.entry.state ?? "not in the binding"}`,
  },
  {
    reason: "UnitNotTrusted",
    passes: ({ fact, memory }) => fact?.epoch != null && !memory.verifying.has(fact.entry.regBase),
    read: ({ fact, regBase, memory }) =>
      fact
        ? `unit ${fact.entry.regBase} is ${fact.entry.state}, epoch ${fact.epoch ?? "none"}${memory.verifying.has(fact.entry.regBase) ? ", its links are still to be read again" : ""}`
        : `unit ${regBase ?? ""} is not in the binding`,
  },
  {
    reason: "LinkUnknown",
    passes: ({ fn }) => fn !== null && fn.link.state !== "Unknown" && (fn.linkRead.tsm === "Read" || fn.linkRead.tsm === "Stands"),
    read: ({ fn }) =>
      `${linkText(fn)}${fn ? TSM_TEXT[fn.linkRead.tsm] : ""}${fn?.link.state === "Unknown" && fn.linkRead.tsm === "Read" ? because(fn.configProblem) : ""}`,
  },
  {
    // The core takes no notice of a reset: tsm/connect still names the TSM when the stream is off.
    reason: "LinkBroken",
    passes: ({ fn }) => fn !== null && (fn.link.state !== "Secure" || fn.link.streamSecure === "Yes"),
    read: ({ fn }) => linkText(fn),
  },
  {
    reason: "HeldAcrossTrustLoss",
    passes: ({ address, memory, fact }) => !memory.holds.has(address) || memory.holds.get(address)?.epoch === fact?.epoch,
    read: ({ address, memory }) => (memory.holds.has(address) ? `held since epoch ${memory.holds.get(address)?.epoch ?? "unproven"}` : "not held"),
  },
  {
    reason: "HeldUnderOtherName",
    passes: ({ address, memory, resource }) => (memory.holds.get(address)?.resource ?? resource?.name) === resource?.name,
    read: ({ address, memory }) => (memory.holds.has(address) ? `held as ${memory.holds.get(address)?.resource ?? "unknown"}` : "not held"),
  },
  {
    reason: "NoVfioDevice",
    passes: ({ fn }) => fn?.vfioCdev != null,
    read: ({ fn }) => `driver ${fn?.driver ?? "none"}, vfio cdev ${fn?.vfioCdev ?? "none"}`,
  },
  {
    reason: "CdiUnwritable",
    passes: ({ address, memory, resource }) => memory.specs.problem === "" || memory.specs.names.has(`${resource?.name}=${address}`),
    // Neither a machine without kubelet nor `explain` writes any.
    read: ({ memory: { specs } }) => specs.problem || (specs.names.size === 0 ? "no CDI spec is written here" : "CDI specs are written"),
  },
];

function selectionText(intent: Intent | null): string {
  if (intent?.units.all) return "spec.units.all";
  // Of a refused object that says Cleared.
  if (intent !== null && intent.units.regBases === undefined) return "spec.units cannot be read";
  return `spec.units.regBases ${(intent?.units.regBases ?? []).join(" ") || "none"}`;
}

/**
 * True when a device of this reason was not suspect: the gate had asked LinkSecuredBeforeSetup and gone on. A rule before that one hides a suspect
 * as well as anybody else.
 */
export function rulesOutSuspicion(reason: DeviceReason): boolean {
  const order: readonly DeviceReason[] = [...GATE_RULES.map((rule) => rule.reason), "Offered", "AgentStopped"];
  return order.indexOf(reason) > order.indexOf("LinkSecuredBeforeSetup");
}

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
  };
}
