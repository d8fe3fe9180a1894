// SPDX-License-Identifier: Apache-2.0
import type { AgentStatus, Condition, DeviceStatus, NodeStatus, UnitStatus } from "../../src/domain/status.ts";

/** Builders of status values for tests: defaults of a healthy simulated node, and what the test says otherwise. */

export function unitStatus(over: Partial<UnitStatus> = {}): UnitStatus {
  return {
    regBase: "0xfed90000",
    kernelName: "dmar0",
    state: "Trusted",
    tdxIommuId: "0x1",
    setupSeq: "0x1",
    numaNode: 0,
    reason: "SetupSucceeded",
    message: "",
    lastCall: { leaf: "TDH.IOMMU.SETUP", status: "0x0", name: "TDX_SUCCESS", operand: "", attempts: 3, durationMs: 21 },
    pagesRetained: 0,
    ...over,
  };
}

export function deviceStatus(over: Partial<DeviceStatus> = {}): DeviceStatus {
  return {
    address: "0000:17:00.0",
    regBase: "0xfed90000",
    hostBridge: "pci0000:16",
    offered: true,
    reason: "Offered",
    message: "",
    resource: "teeio.dev/gpu",
    ledger: "DevicePlugin",
    link: { state: "Insecure", tsm: "" },
    usedBy: null,
    ...over,
  };
}

export function condition(over: Partial<Condition> = {}): Condition {
  return {
    type: "Ready",
    status: "True",
    observedGeneration: 1,
    lastTransitionTime: "2026-01-01T00:00:00Z",
    reason: "AsIntended",
    message: "units and devices are as the intent says",
    ...over,
  };
}

/** Who wrote the status. */
export const AGENT: AgentStatus = { version: "0.1.0", specLevel: 1 };

export function nodeStatus(over: Partial<NodeStatus> = {}): NodeStatus {
  return {
    agent: AGENT,
    observedGeneration: 1,
    bootId: "6c0e2d1c-8d0c-4a0e-9d2c-1f6a6b1f0001",
    simulated: true,
    tdxModule: { version: "2.0.18", connect: true, driver: "simulated", environment: "Ok", instance: "00112233445566778899aabbccddeeff" },
    summary: "1 of 1 selected units are trusted, 1 devices offered",
    counts: { unitsSelected: 1, unitsTrusted: 1, functions: 12, devicesOffered: 1, devicesWithheld: 0 },
    units: [unitStatus()],
    otherUnits: [],
    devices: [deviceStatus()],
    conditions: [
      condition({ type: "Supported", reason: "TdxConnectPresent" }),
      condition({ type: "UnitsTrusted", reason: "AllTrusted" }),
      condition({ type: "DevicesOffered", reason: "SomeOffered" }),
      condition(),
      condition({ type: "Degraded", status: "False", reason: "NoProblem" }),
      condition({ type: "ClearBlocked", status: "False", reason: "NothingToClear" }),
    ],
    ...over,
  };
}

/** A node with one of everything that a view has to cope with. */
export function mixedStatus(): NodeStatus {
  const units = [
    unitStatus(),
    unitStatus({ regBase: "0x20b9ffc000", kernelName: "dmar10", state: "SettingUp", tdxIommuId: "", reason: "SetupRunning" }),
    unitStatus({
      regBase: "0x20bbffc000",
      kernelName: "dmar11",
      state: "Failed",
      tdxIommuId: "",
      reason: "SetupFailed",
      message: "TDX_IOMMU_RP_INVALID_CONFIGURATION\noperand RDX after 3 attempts; donated pages are kept",
    }),
    unitStatus({ regBase: "0xfbffc000", kernelName: "", state: "Unsupported", tdxIommuId: "", reason: "TdxConnectMissing" }),
  ];
  const devices = [
    deviceStatus(),
    deviceStatus({ address: "0000:17:00.1", usedBy: { pod: "ml/train-0" }, link: { state: "Secure", tsm: "tsm0" } }),
    deviceStatus({
      address: "0000:a7:00.0",
      regBase: "0x20b9ffc000",
      hostBridge: "pci0000:a6",
      offered: false,
      reason: "UnitNotTrusted",
      message: "unit 0x20b9ffc000 is SettingUp, epoch none",
    }),
    deviceStatus({
      address: "10001:01:00.0",
      regBase: "",
      hostBridge: "",
      offered: false,
      reason: "NoResourceMatches",
      message: "no match",
      resource: "",
      ledger: "",
    }),
  ];
  return nodeStatus({
    summary: "0x20b9ffc000: SetupRunning; and 1 more",
    counts: { unitsSelected: 4, unitsTrusted: 1, functions: 483, devicesOffered: 2, devicesWithheld: 2 },
    units,
    devices,
    conditions: [
      condition({ type: "Supported", reason: "TdxConnectPresent" }),
      condition({ type: "UnitsTrusted", status: "False", reason: "SomeNotTrusted" }),
      condition({ type: "DevicesOffered", reason: "SomeOffered" }),
      condition({ status: "Unknown", reason: "NotYetAsIntended" }),
      condition({ type: "Degraded", status: "True", reason: "UnitFailed" }),
      condition({ type: "ClearBlocked", status: "False", reason: "NothingToClear" }),
    ],
  });
}
