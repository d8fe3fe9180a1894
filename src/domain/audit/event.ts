// SPDX-License-Identifier: Apache-2.0

/** What the audit log records: a closed list of events, each with whom it is about. Pure. */
import type { Address } from "../device.ts";
import type { RegBase } from "../unit.ts";

/** In the order of a device's life. Meanings are sentences without a full stop. */
export const AUDIT_EVENTS = {
  AgentStarted: "a process of the agent has looked at the node for the first time; the lines that follow at once say what it found",
  UnitSetUp: "the unit is trusted now, and was not when this process looked before",
  UnitFoundTrusted: "the unit was trusted when this process first looked at it, or is again in the same span of trust",
  LinkChecked: "the link was read insecure after SETUP of the unit above, so that whatever secures it comes later",
  DriverBound: "this process has given the function vfio-pci",
  DeviceOffered: "the device is listed: kubelet may give it to a pod, or a scheduler to a claim (without a kubelet: the gate is open)",
  DeviceWithdrawn: "the device is not listed any more, or as unhealthy: kubelet gives it to no further pod",
  DeviceAllocated: "kubelet has asked for the device and is about to be answered yes (Allocate), or the scheduler has allocated it to a claim",
  DeviceFoundHeld: "somebody has the device, as a view shows or an earlier process wrote down, and this process did not give it away",
  LinkSecuring: "this process begins to secure the link (tsm/connect)",
  LinkSecured: "the link that this process has connected reads secure at both ends",
  LinkFoundSecured: "the link reads secure, and this process has not connected it",
  DeviceStarted:
    "kubelet has asked whether a container may start with the device, or its claim be prepared, and is about to be answered yes (PreStart, Prepare)",
  LinkBroken: "the link is connected, and none of its streams reads secure at both ends",
  LinkRepair: "this process disconnects the link in order to secure it again",
  DeviceFree: "every view shows that nobody has the device any more, or kubelet was told no after its line was written",
  LinkReleasing: "this process begins to release the link (tsm/disconnect)",
  LinkReleased: "the link reads insecure again",
  LinkGone: "the slot left the bus with its link secured or broken: what has become of the link cannot be seen",
  DriverGivenBack: "this process has given the function its own driver back",
  UnitCleared: "the unit is not set up any more (CLEAR)",
  UnitLost: "the unit is not proven trusted any more, and was not cleared",
  AgentStopped: "the process of the agent has withdrawn its devices and ends",
  Gap: "lines are missing here, or an answer was given before its line was written; the detail says why",
} as const;
export type AuditEventName = keyof typeof AUDIT_EVENTS;

export const AUDIT_EVENT_NAMES = Object.keys(AUDIT_EVENTS) as readonly AuditEventName[];

/** Who brought it about: the agent, kubelet by asking, or somebody else (also: an earlier process of the agent). */
export const ACTORS = ["agent", "kubelet", "other"] as const;
export type Actor = (typeof ACTORS)[number];

/** One event, before it has a place in the log. Empty: does not apply, or is not known. */
export interface AuditEvent {
  readonly event: AuditEventName;
  readonly by: Actor;
  /** The device, or the function that speaks for the link. */
  readonly address: Address | "";
  /** Owner of the slot that the device is on. */
  readonly slot: Address | "";
  /** Register base of the unit above, or of the unit itself. */
  readonly unit: RegBase | "";
  /** The unit's span of trust. */
  readonly epoch: string;
  /** For people. */
  readonly detail: string;
}

export function auditEvent(event: AuditEventName, by: Actor, about: Partial<AuditEvent> = {}): AuditEvent {
  return { address: "", slot: "", unit: "", epoch: "", detail: "", ...about, event, by };
}

/** What must survive a power loss: when a link began and ceased to protect. */
const SYNCED: ReadonlySet<AuditEventName> = new Set(["LinkSecured", "LinkFoundSecured", "LinkReleased"]);

export function isSynced({ event }: Pick<AuditEvent, "event">): boolean {
  return SYNCED.has(event);
}
