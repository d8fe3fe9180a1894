// SPDX-License-Identifier: Apache-2.0
/** Everything a node needs for TDX Connect and this agent: found or not, with the fix. Pure. */
import { requirementsOfDevices } from "./of-devices.ts";
import { requirementsOfKubernetes } from "./of-kubernetes.ts";
import { requirementsOfMachine } from "./of-machine.ts";
import type { PreflightReadings } from "./readings.ts";
import type { Requirement } from "./requirement.ts";

export interface Preflight {
  readonly simulated: boolean;
  readonly requirements: readonly Requirement[];
}

/** In the order in which they are met: firmware, kernel, devices, Kubernetes. */
export function preflight(readings: PreflightReadings): Preflight {
  return {
    simulated: readings.simulated,
    requirements: [...requirementsOfMachine(readings), ...requirementsOfDevices(readings), ...requirementsOfKubernetes(readings)],
  };
}

/** Requirements that are not met, or not known to be. */
export function unmet({ requirements }: Preflight): readonly Requirement[] {
  return requirements.filter(({ state }) => state === "Missing" || state === "Unknown");
}
