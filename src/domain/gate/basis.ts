// SPDX-License-Identifier: Apache-2.0

/** On what the gate is asked: one builder of its inputs for lists, CDI specs, kubelet's calls and `explain`. Pure. */
import type { Address } from "../device.ts";
import { unitFacts } from "../ground.ts";
import type { Intent } from "../intent.ts";
import type { FunctionInSlot } from "../slot.ts";
import type { DriverView, Reading } from "../view.ts";
import type { GateInputs, Purpose } from "./inputs.ts";

export interface GateBasis {
  readonly intent: Intent | null;
  readonly driver: Reading<DriverView>;
  readonly memory: GateInputs["memory"];
  /** The start of kubelet that asks; without one nothing of kubelet is asked. */
  readonly kubelet?: string | null;
  /** UID of the claim for which it is asked (Prepare). */
  readonly claim?: string;
}

/** @returns the inputs for one device, `seen` null when it is not on the bus or the host cannot be read */
export function gateInputsOn(
  { intent, driver, memory, kubelet, claim }: GateBasis,
  purpose: Purpose,
): (address: Address, seen: FunctionInSlot | null) => GateInputs {
  const isRead = driver.kind === "Read";
  const shared = {
    purpose,
    intent,
    memory,
    kubelet: kubelet ?? null,
    claim: claim ?? null,
    units: isRead ? unitFacts(driver) : null,
    driverProblem: isRead ? "" : driver.why,
  };
  return (address, seen) => ({ ...shared, address, fn: seen?.fn ?? null, slot: seen?.slot ?? null });
}
