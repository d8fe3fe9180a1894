// SPDX-License-Identifier: Apache-2.0

/** What the scheduler reads from the conditions of an allocated claim. Pure. */
import type { ClaimDevice } from "../../../src/domain/dra/claim.ts";
import { devicesOf, type StoredClaim } from "./dra-objects.ts";

export type Readiness = "Ready" | "Waiting" | "Failed";

/** The first device that is not ready ends the check: a failure on one behind it is not seen. */
export function readinessOf(claim: StoredClaim): Readiness {
  for (const device of devicesOf(claim)) {
    if (device.bindingFailureConditions.some((type) => isTrue(device, type))) return "Failed";
    if (!device.bindingConditions.every((type) => isTrue(device, type))) return "Waiting";
  }
  return "Ready";
}

export function isTimedOut({ allocation }: StoredClaim, nowMs: number, timeoutMs: number): boolean {
  return allocation !== null && nowMs - allocation.atMs > timeoutMs;
}

function isTrue({ conditions }: ClaimDevice, type: string): boolean {
  return conditions.some((one) => one.type === type && one.status === "True");
}
