// SPDX-License-Identifier: Apache-2.0

/** On what the gate is asked: one builder of its inputs for lists, CDI specs, kubelet's calls and `explain`. Pure. */
import type { Address, PciFunction } from "./device.ts";
import type { GateInputs, Purpose } from "./gate.ts";
import { unitFacts } from "./ground.ts";
import type { Intent } from "./intent.ts";
import type { Binding, Reading } from "./view.ts";

export interface GateBasis {
  readonly intent: Intent | null;
  readonly binding: Reading<Binding>;
  readonly memory: GateInputs["memory"];
}

/** @returns the inputs for one device, `fn` null when it is not on the bus or the host cannot be read */
export function gateInputsOn({ intent, binding, memory }: GateBasis, purpose: Purpose): (address: Address, fn: PciFunction | null) => GateInputs {
  const isRead = binding.kind === "Read";
  const shared = { purpose, intent, memory, units: isRead ? unitFacts(binding) : null, bindingProblem: isRead ? "" : binding.why };
  return (address, fn) => ({ ...shared, address, fn });
}
