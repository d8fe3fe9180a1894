// SPDX-License-Identifier: Apache-2.0

/**
 * The one table of SEAMCALL completion statuses: name, and what the agent does next. Values from the TDX module's error list (2.0.12), the names
 * of class 0x0F from the TDX Connect part of it, the last three from Linux (never produced by the module).
 */
import type { Leaf } from "./unit.ts";

/**
 * resume: the driver repeats it, never seen above it except mid-call · retry: repeat after a backoff, donated pages stay · precondition: the
 * host must change first, looked at again at a slow pace · unsupported: this unit has no TDX Connect, not an error · environment: TDX cannot be
 * called on this host · failed: a person must look.
 */
export const STATUS_ACTIONS = ["success", "resume", "retry", "precondition", "unsupported", "environment", "failed"] as const;
export type StatusAction = (typeof STATUS_ACTIONS)[number];

interface StatusRow {
  readonly name: string;
  readonly action: StatusAction;
}

const row = (name: string, action: StatusAction): StatusRow => ({ name, action });

/** Keyed by the status with the low 32 bits (operand) cleared. */
const TABLE: ReadonlyMap<bigint, StatusRow> = new Map([
  [0x0000000000000000n, row("TDX_SUCCESS", "success")],
  [0x0000030100000000n, row("TDX_PAGE_ALREADY_FREE", "success")],
  [0x8000000300000000n, row("TDX_INTERRUPTED_RESUMABLE", "resume")],
  [0x8000000400000000n, row("TDX_INTERRUPTED_RESTARTABLE", "retry")],
  [0xc000000600000000n, row("TDX_INVALID_RESUMPTION", "failed")],
  [0xc000010000000000n, row("TDX_OPERAND_INVALID", "failed")],
  [0xc000010100000000n, row("TDX_OPERAND_ADDR_RANGE_ERROR", "failed")],
  [0x8000020000000000n, row("TDX_OPERAND_BUSY", "retry")],
  [0x8000020100000000n, row("TDX_PREVIOUS_TLB_EPOCH_BUSY", "retry")],
  [0x8000020200000000n, row("TDX_SYS_BUSY", "retry")],
  [0x8000020300000000n, row("TDX_RND_NO_ENTROPY", "retry")],
  [0x8000020400000000n, row("TDX_OPERAND_BUSY_HOST_PRIORITY", "retry")],
  [0x9000020500000000n, row("TDX_HOST_PRIORITY_BUSY_TIMEOUT", "retry")],
  [0x8000020600000000n, row("TDX_INTERRUPTED_BUSY", "retry")],
  [0xc000030000000000n, row("TDX_PAGE_METADATA_INCORRECT", "failed")],
  [0xc000030300000000n, row("TDX_PAGE_NOT_FREE", "failed")],
  [0xc000030400000000n, row("TDX_HPA_RANGE_NOT_FREE", "failed")],
  [0xc000050200000000n, row("TDX_SYS_LP_INIT_NOT_DONE", "environment")],
  [0xc000050500000000n, row("TDX_SYS_NOT_READY", "environment")],
  [0xc000050600000000n, row("TDX_SYS_SHUTDOWN", "environment")],
  [0xc000050800000000n, row("TDX_SYS_STATE_INCORRECT", "environment")],
  [0xc0000c0000000000n, row("TDX_METADATA_FIELD_ID_INCORRECT", "failed")],
  [0xc0000c0200000000n, row("TDX_METADATA_FIELD_NOT_READABLE", "failed")],
  [0xc0000f0000000000n, row("TDX_IOMMU_INVALID_STATE", "precondition")],
  [0xc0000f0200000000n, row("TDX_IOMMU_RP_NOT_CONFIGURED", "precondition")],
  [0xc0000f0400000000n, row("TDX_IOMMU_RP_IDE_MUST_BE_DISABLED", "precondition")],
  [0xc0000f3a00000000n, row("TDX_TD_HAS_ATTACHED_DEVICES", "precondition")],
  [0xc0000f3d00000000n, row("TDX_IOMMU_MT_PAGE_IN_USE", "failed")],
  [0xc0000f3e00000000n, row("TDX_IOMMU_KCB_MUST_BE_DISABLED", "precondition")],
  [0xc0000f4600000000n, row("TDX_CONNECT_INVALID_STATE", "precondition")],
  [0xc0000f4800000000n, row("TDX_IOMMU_RP_INVALID_CONFIGURATION", "precondition")],
  [0xc0000f5000000000n, row("TDX_SMRR_OVERLAPS_IORANGE", "failed")],
  [0x80000f5100000000n, row("TDX_IOMMU_ECMD_TIMEOUT", "retry")],
  [0x80000f5200000000n, row("TDX_IOMMU_ECMD_ERROR", "retry")],
]);

/** Linux's own values carry their code in the low half, so they are matched whole. */
const SOFTWARE: ReadonlyMap<bigint, StatusRow> = new Map([
  [0x8000ff00ffff0000n, row("TDX_SEAMCALL_VMFAILINVALID", "environment")],
  [0x8000ff000000000dn, row("TDX_SEAMCALL_GP", "environment")],
  [0x8000ff0000000006n, row("TDX_SEAMCALL_UD", "environment")],
]);

/** Operand ids of bits 31:0, from the TDX module's operand list. */
const OPERANDS: ReadonlyMap<number, string> = new Map([
  ...["RAX", "RCX", "RDX", "RBX", "", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"].map((name, id): [number, string] => [
    id,
    name,
  ]),
  [95, "PAGE"],
  [96, "TDMR_INFO_PA"],
  [128, "TDR"],
  [184, "SYS"],
  [185, "TDMR"],
  [320, "DMAR"],
]);
const RCX = 1;

export interface DecodedStatus {
  /** `TDX_OPERAND_INVALID`; for a status without a row, the hex value. */
  readonly name: string;
  /** `RCX`; empty when the status carries none. */
  readonly operand: string;
  readonly action: StatusAction;
}

/** Names a status and says what follows for `leaf`. Total: an unknown error is `failed`, an unknown success with information is `success`. */
export function decodeStatus(leaf: Leaf, status: bigint): DecodedStatus {
  const software = SOFTWARE.get(status);
  if (software) return { ...software, operand: "" };
  const masked = status & 0xffff_ffff_0000_0000n;
  const found = TABLE.get(masked) ?? row(hexStatus(masked), status >> 63n === 0n ? "success" : "failed");
  const operandId = Number(status & 0xffff_ffffn);
  const operand = masked === 0n || operandId === 0 ? "" : (OPERANDS.get(operandId) ?? String(operandId));
  const rejectsUnit = leaf === "TDH.IOMMU.SETUP" && found.name === "TDX_OPERAND_INVALID" && operandId === RCX;
  return { name: found.name, operand, action: rejectsUnit ? "unsupported" : found.action };
}

/** `0xc000010000000001`: 16 digits unless zero, as people grep for it in kernel logs. */
export function hexStatus(status: bigint): string {
  return status === 0n ? "0x0" : `0x${status.toString(16).padStart(16, "0")}`;
}

/** Names of all statuses with a row: the closed label set of metrics. */
export const STATUS_NAMES: readonly string[] = [...TABLE.values(), ...SOFTWARE.values()].map((entry) => entry.name);

/** The value of a status by its name, operand clear; null when no row has it. For scripting faults. */
export function statusByName(name: string): bigint | null {
  const found = [...TABLE, ...SOFTWARE].find(([, entry]) => entry.name === name);
  return found ? found[0] : null;
}
