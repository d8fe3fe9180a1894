// SPDX-License-Identifier: Apache-2.0
import type { Address } from "./device.ts";
import type { LinkWord } from "./links/word.ts";
import type { ConditionReason, ConditionType, DeviceReason, OtherUnitReason, UnitReason } from "./reason.ts";
import type { RegBase, UnitState } from "./unit.ts";

/** `status` of a TrustedIommu, as the agent reports it. Plain JSON: 64-bit values are hex strings, absent values are null or empty. */
export interface NodeStatus {
  agent: AgentStatus;
  observedGeneration: number;
  /** Of the agent that wrote this; empty when unreadable. */
  bootId: string;
  /** True when SETUP and CLEAR go to the simulator: nothing here is real. */
  simulated: boolean;
  tdxModule: TdxModuleStatus;
  /** One sentence for people. */
  summary: string;
  counts: StatusCounts;
  units: UnitStatus[];
  /** IOMMUs that are none of the units. */
  otherUnits: OtherUnitStatus[];
  devices: DeviceStatus[];
  conditions: Condition[];
}

export interface AgentStatus {
  /** Of the program that wrote the status. */
  version: string;
  /** Highest level of the spec's fields that it understands (api/spec-levels.ts). */
  specLevel: number;
}

type Loose<T> = T extends string ? string : T extends object ? { [Key in keyof T]: Loose<T[Key]> } : T;
/** A status that may be of another version of the agent: its words may be ones that this version does not know. */
export type ReadStatus = Loose<NodeStatus>;
export type ReadUnit = ReadStatus["units"][number];
export type ReadDevice = ReadStatus["devices"][number];
export type ReadCondition = ReadStatus["conditions"][number];

export interface TdxModuleStatus {
  /** `2.0.18`; empty when unreadable. */
  version: string;
  /** TDX_FEATURES0 bit 6. */
  connect: boolean;
  driver: string;
  /** Ok, or why TDX cannot be called. Empty when the driver cannot be read. */
  environment: string;
  /** 32 hex digits, new at each load of the driver's module; empty when unreadable. */
  instance: string;
}

export interface StatusCounts {
  unitsSelected: number;
  unitsTrusted: number;
  /** Functions on the bus, TEE-I/O-capable or not. */
  functions: number;
  devicesOffered: number;
  devicesWithheld: number;
}

export interface LastCallStatus {
  leaf: string;
  status: string;
  /** Decoded name without operand, TDX_OPERAND_INVALID. */
  name: string;
  /** Decoded operand, RCX; empty when the status carries none. */
  operand: string;
  attempts: number;
  durationMs: number;
}

export interface UnitStatus {
  regBase: RegBase;
  /** dmarN: a label. Empty when the kernel lists no such unit. */
  kernelName: string;
  state: UnitState;
  /** Hex; empty when the unit has no id. */
  tdxIommuId: string;
  /** Hex sequence number of the SETUP that holds; empty when none. With tdxModule.instance it names one span of trust. */
  setupSeq: string;
  numaNode: number | null;
  reason: UnitReason;
  message: string;
  lastCall: LastCallStatus | null;
  pagesRetained: number;
}

export interface OtherUnitStatus {
  kernelName: string;
  reason: OtherUnitReason;
  message: string;
}

export interface DeviceStatus {
  address: Address;
  /** Empty when the function has no readable unit. */
  regBase: RegBase | "";
  hostBridge: string;
  /** Kubelet lists it, so that a pod can be given it; without a kubelet, by configuration: the gate is open. */
  offered: boolean;
  reason: DeviceReason;
  message: string;
  /** Resource that matches, offered or not; empty when none. */
  resource: string;
  ledger: string;
  link: { state: LinkWord; tsm: string };
  /** `pod` is `namespace/name`; empty when the holder is not a pod, or not named yet. */
  usedBy: { pod: string } | null;
}

/** The gate is open for the device, whether or not kubelet lists it by now. */
export function isGateOpen({ offered, reason }: Pick<ReadDevice, "offered" | "reason">): boolean {
  return offered || reason === "AwaitingKubelet" || reason === "AwaitingSlice";
}

/** metav1.Condition; lastTransitionTime (RFC 3339) changes only with `status`. */
export interface Condition {
  type: ConditionType;
  status: "True" | "False" | "Unknown";
  observedGeneration: number;
  lastTransitionTime: string;
  reason: ConditionReason;
  message: string;
}
