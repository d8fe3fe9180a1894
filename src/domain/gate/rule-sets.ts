// SPDX-License-Identifier: Apache-2.0

/** Which of the gate's rules speak of what: questions that are asked without some of them. */
import type { DeviceReason } from "../reason.ts";
import type { Rule } from "./inputs.ts";
import { LINK_TAINTED } from "./link-rules.ts";
import { GATE_RULES } from "./rules.ts";

/** What can be said of a device before the intent and its holders are known: it is there, its unit is trusted, its link is in order. */
const OF_THE_DEVICE: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "DeviceMissing",
  "DeviceUnreachable",
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
  "NativeDriver",
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
  "NoStreamLeft",
  "LinkNotSecured",
]);
/** What decides who gets one of the streams that are left: all but that, and whether what is written is in place. */
export const RATION_RULES: readonly Rule[] = GATE_RULES.filter(
  ({ reason }) => reason !== "NoStreamFree" && reason !== "StreamsShared" && reason !== "CdiUnwritable" && reason !== "ProofUnwritable",
);

/** What must hold before the link of a device that was given away is secured: all but what is wrong until it is. */
export const SECURE_RULES: readonly Rule[] = GATE_RULES.filter(({ reason }) => !OF_THE_LINK.has(reason));

/** The same for a claim that is told how it went, and whose pod goes elsewhere then: what has just failed is not tried for it. */
export const SECURE_FOR_NEW_CLAIM_RULES: readonly Rule[] = [...SECURE_RULES, LINK_TAINTED];

/** What a start waits for: this agent, or another program, is about to put it right. */
export const WAITED_FOR: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "LinkUnknown",
  "RepairBlocked",
  "LinkBroken",
  "LinkNotCovering",
  "NoStreamLeft",
  "LinkNotSecured",
]);

/** What a claim waits for besides: who has the device may be about to give it back. */
export const WAITED_FOR_BY_CLAIM: ReadonlySet<DeviceReason> = new Set<DeviceReason>([...WAITED_FOR, "DeviceBusy", "HeldByOrphan", "HeldByUnknown"]);

/** What a CDI spec follows from: all but whether it is in place, and in whose turn it is to be given away. */
export const SPEC_RULES: readonly Rule[] = GATE_RULES.filter(
  ({ reason }) => reason !== "CdiUnwritable" && reason !== "NoStreamFree" && reason !== "StreamsShared",
);

const OF_THE_DRIVER: ReadonlySet<DeviceReason> = new Set<DeviceReason>([
  "DriverChanging",
  "BindStuck",
  "BindFailed",
  "NoVfioDevice",
  "CdiUnwritable",
]);
/** What must hold before a function is given vfio-pci: all but what is wrong until it is. */
export const BIND_RULES: readonly Rule[] = GATE_RULES.filter(({ reason }) => !OF_THE_DRIVER.has(reason));
