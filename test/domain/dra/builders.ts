// SPDX-License-Identifier: Apache-2.0

/** Values of DRA: whole defaults, and overrides. */
import type { Address } from "../../../src/domain/device.ts";
import type { ClaimDevice, NodeClaim } from "../../../src/domain/dra/claim.ts";
import { draDeviceName, LINK_FAILED, LINK_SECURED } from "../../../src/domain/dra/names.ts";
import type { Verdict } from "../../../src/domain/gate/inputs.ts";
import type { ResourceRule } from "../../../src/domain/intent.ts";
import type { DeviceReason } from "../../../src/domain/reason.ts";
import { GPU } from "../../support/builders.ts";

export const POOL = "n1/pci0000-16";
export const NOW = "2026-01-02T03:04:05Z";
export const DRA_GPU: ResourceRule = { name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } };

export function aVerdict(address: Address, reason: DeviceReason = "Offered", resource: ResourceRule | null = DRA_GPU): Verdict {
  const isOffered = reason === "Offered";
  return { address, offered: isOffered, reason, message: isOffered ? "" : "as read", resource, epoch: null, rules: [] };
}

export function aClaimDevice(address: Address, overrides: Partial<ClaimDevice> = {}): ClaimDevice {
  const binding = { bindingConditions: [LINK_SECURED], bindingFailureConditions: [LINK_FAILED] };
  return { request: "gpu", pool: POOL, device: draDeviceName(address), adminAccess: false, ...binding, conditions: [], ...overrides };
}

export function aClaim(devices: readonly (Address | ClaimDevice)[], overrides: Partial<NodeClaim> = {}): NodeClaim {
  return {
    namespace: "ml",
    name: "gpus",
    uid: "c1",
    resourceVersion: "7",
    isForExtendedResources: false,
    reservedFor: [{ resource: "pods", name: "train", uid: "p1" }],
    devices: devices.map((one) => (typeof one === "string" ? aClaimDevice(one) : one)),
    parameters: [],
    ...overrides,
  };
}
