// SPDX-License-Identifier: Apache-2.0

/** What the agent did, as events. What came of it is told by the looks that follow. Pure. */
import type { BindTarget } from "../binds/work.ts";
import type { Address } from "../device.ts";
import type { LinkStep } from "../plan/link-step.ts";
import type { Slot } from "../slot.ts";
import type { RegBase } from "../unit.ts";
import type { Answer } from "../view.ts";
import { type AuditEvent, type AuditEventName, auditEvent } from "./event.ts";
import { tellSlot } from "./links.ts";
import { aboutDevice, aboutLink, type Seen } from "./seen.ts";

export type Deed =
  /** Yes to Allocate. NotGiven: which did not come about. */
  | { readonly kind: "Allocate" | "NotGiven"; readonly answer: Answer }
  /** Yes to the preparation of a claim, which the scheduler allocated the device to before. With the slot, as for PreStart. */
  | { readonly kind: "Prepare"; readonly answer: Answer; readonly slot: Slot | null }
  /** With the slot as it was read for the question; null: it was not there. */
  | { readonly kind: "PreStart"; readonly answer: Answer; readonly slot: Slot | null }
  /** Asked of the driver. */
  | { readonly kind: "Setup" | "Clear"; readonly regBase: RegBase }
  /** Handed to the helper that writes. */
  | { readonly kind: "Link"; readonly step: LinkStep }
  /** Answered by the kernel. */
  | { readonly kind: "Driver"; readonly address: Address; readonly to: BindTarget }
  | { readonly kind: "Stop" };

export interface DeedTold {
  readonly events: readonly AuditEvent[];
  readonly seen: Seen;
}

export function tellDeed(seen: Seen, deed: Deed): DeedTold {
  switch (deed.kind) {
    case "Allocate":
      return {
        events: [given("DeviceAllocated", seen, deed.answer)],
        seen: { ...noteGiven(seen, deed.answer), held: new Set(seen.held).add(deed.answer.address) },
      };
    case "NotGiven":
      return notGiven(seen, deed.answer);
    case "Prepare":
      return prepared(seen, deed.answer, deed.slot);
    case "PreStart":
      return started(seen, deed.answer, deed.slot);
    case "Setup":
      return { events: [], seen: { ...seen, calls: new Map(seen.calls).set(deed.regBase, "TDH.IOMMU.SETUP") } };
    case "Clear":
      return { events: [], seen: { ...seen, calls: new Map(seen.calls).set(deed.regBase, "TDH.IOMMU.CLEAR") } };
    case "Link":
      return linkWritten(seen, deed.step);
    case "Driver": {
      const event = deed.to === "Vfio" ? "DriverBound" : "DriverGivenBack";
      return { events: [auditEvent(event, "agent", aboutDevice(seen, deed.address))], seen };
    }
    case "Stop":
      return { events: [auditEvent("AgentStopped", "agent")], seen };
  }
}

/** The epoch is that of the gate's answer, which may be newer than the last look. */
function given(event: AuditEventName, seen: Seen, { address, epoch, resource, node }: Answer): AuditEvent {
  const detail = node === null ? resource : `${resource} ${node}`;
  return auditEvent(event, "kubelet", { ...aboutDevice(seen, address), epoch, detail });
}

/** That its link is secured may have been read for this very question, and by no look yet. */
function started(seen: Seen, answer: Answer, slot: Slot | null): DeedTold {
  const told = slot === null ? { events: [], seen } : tellSlot(seen, slot, answer.atMs);
  return { events: [...told.events, given("DeviceStarted", told.seen, answer)], seen: noteGiven(told.seen, answer) };
}

/** The look that shows the allocation may come later than the question. */
function prepared(seen: Seen, answer: Answer, slot: Slot | null): DeedTold {
  const isTold = seen.held.has(answer.address);
  const start = started({ ...seen, held: new Set(seen.held).add(answer.address) }, answer, slot);
  return isTold ? start : { ...start, events: [given("DeviceAllocated", seen, answer), ...start.events] };
}

function noteGiven(seen: Seen, { address, atMs }: Answer): Seen {
  return { ...seen, given: new Map(seen.given).set(address, atMs) };
}

/** It was held before it was asked for, or by nobody. */
function notGiven(seen: Seen, { address }: Answer): DeedTold {
  const held = new Set(seen.held);
  held.delete(address);
  return {
    events: [auditEvent("DeviceFree", "agent", { ...aboutDevice(seen, address), detail: "not given: kubelet was told no" })],
    seen: { ...seen, held },
  };
}

function linkWritten(seen: Seen, step: LinkStep): DeedTold {
  const event = step.kind === "Connect" ? "LinkSecuring" : step.isRepair ? "LinkRepair" : "LinkReleasing";
  const about = { ...aboutLink(seen, step.owner), detail: step.tsm };
  return { events: [auditEvent(event, "agent", about)], seen: { ...seen, writes: new Map(seen.writes).set(step.owner, step.kind) } };
}

/** By what is listed to kubelet, `resource address`, before and after. */
export function tellList(seen: Seen, before: ReadonlySet<string>, after: ReadonlySet<string>): readonly AuditEvent[] {
  const told = (event: AuditEventName, entry: string): AuditEvent => {
    const [resource = "", address = ""] = entry.split(" ");
    return auditEvent(event, "agent", { ...aboutDevice(seen, address), detail: resource });
  };
  const gone = [...before].filter((entry) => !after.has(entry)).map((entry) => told("DeviceWithdrawn", entry));
  const fresh = [...after].filter((entry) => !before.has(entry)).map((entry) => told("DeviceOffered", entry));
  return [...gone, ...fresh];
}
