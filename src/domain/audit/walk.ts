// SPDX-License-Identifier: Apache-2.0

/** Goes through the lines of one device in one boot, and holds each against those before it. */
import type { Address } from "../device.ts";
import type { Course } from "./course.ts";
import type { AuditEventName } from "./event.ts";
import type { AuditLine } from "./line.ts";
import { deviceAllocated, deviceFoundHeld, deviceFree, deviceOffered } from "./walk-devices.ts";
import { linkGone, linkOn, linkReleased, linkReleasing, linkRepair, linkSecuring } from "./walk-links.ts";
import { newWalk, spanOf, type WalkState } from "./walk-state.ts";
import { agentHasTold, agentStarted, gapFound, unitEnded, unitTrusted } from "./walk-units.ts";

export interface Walk {
  take(line: AuditLine): void;
  /** The courses so far, in order. */
  courses(): readonly Course[];
}

/** Of these the first look of a process says what it found. */
const FOUND: ReadonlySet<AuditEventName> = new Set([
  "UnitFoundTrusted",
  "UnitSetUp",
  "LinkChecked",
  "DeviceFoundHeld",
  "LinkFoundSecured",
  "LinkBroken",
]);

/** What is in no row decides nothing. */
const MEANS: Readonly<Partial<Record<AuditEventName, (state: WalkState, line: AuditLine) => void>>> = {
  AgentStarted: agentStarted,
  Gap: gapFound,
  UnitSetUp: unitTrusted,
  UnitFoundTrusted: unitTrusted,
  UnitLost: unitEnded,
  UnitCleared: unitEnded,
  LinkChecked: (state, line) => spanOf(state).checked(line),
  LinkSecuring: linkSecuring,
  LinkSecured: linkOn,
  LinkFoundSecured: linkOn,
  LinkBroken: linkOn,
  LinkRepair: linkRepair,
  LinkReleasing: linkReleasing,
  LinkReleased: linkReleased,
  LinkGone: linkGone,
  DeviceOffered: deviceOffered,
  DeviceAllocated: deviceAllocated,
  DeviceFoundHeld: deviceFoundHeld,
  DeviceFree: deviceFree,
};

export function createWalk(device: Address): Walk {
  const state = newWalk(device);
  const toldBy = (event: AuditEventName | null): void => {
    if (state.restart !== null && (event === null || !FOUND.has(event))) agentHasTold(state);
  };
  return {
    take(line) {
      toldBy(line.event);
      MEANS[line.event]?.(state, line);
    },
    courses() {
      toldBy(null);
      return [state.unplaced, ...state.spans].flatMap((span) => span.course() ?? []);
    },
  };
}
