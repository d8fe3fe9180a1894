// SPDX-License-Identifier: Apache-2.0

/** What DRA is told of a device for its own sake: in slices, where CEL selects by it, and in the metadata of a claim that has it. Pure. */
import type { PciFunction } from "../device.ts";
import type { DeviceAttributes } from "./pool.ts";
import { byteLength, LONGEST_STRING } from "./pool-problem.ts";

/** Standard names (KEP-4381). */
export const PCI_ADDRESS = "resource.kubernetes.io/pciBusID";
const PCIE_ROOT = "resource.kubernetes.io/pcieRoot";

/**
 * By their names in a slice. Not the state of its link, which would change slices with every claim.
 *
 * @param resource name in the spec
 * @param simulated SEAMCALLs are answered by a simulator; null: nobody can tell now
 */
export function attributesOf(
  fn: PciFunction,
  { resource, simulated }: { readonly resource: string; readonly simulated: boolean | null },
): DeviceAttributes {
  const { address, hostBridge, unit, numaNode, vendor, device, class: code, functionType } = fn;
  const all = {
    [PCI_ADDRESS]: address,
    [PCIE_ROOT]: hostBridge,
    regBase: unit.kind === "Unit" ? unit.regBase : null,
    numaNode,
    vendor,
    device,
    class: code,
    functionType,
    resource,
    simulated,
  };
  const known = Object.entries(all).filter(([, value]) => value !== null && value !== "" && byteLength(String(value)) <= LONGEST_STRING);
  return Object.fromEntries(known) as DeviceAttributes; // Nulls are gone.
}
