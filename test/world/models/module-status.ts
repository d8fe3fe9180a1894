// SPDX-License-Identifier: Apache-2.0

/** SEAMCALL statuses as the TDX module and the driver below the port see them; nothing here comes from the domain's own table. */

export const SETUP_LEAF = "TDH.IOMMU.SETUP";
export const CLEAR_LEAF = "TDH.IOMMU.CLEAR";
export type LeafName = typeof SETUP_LEAF | typeof CLEAR_LEAF;

export const STATUS = {
  success: 0n,
  resumable: 0x8000_0003_0000_0000n,
  operandBusy: 0x8000_0200_0000_0001n,
  noEntropy: 0x8000_0203_0000_0000n,
  ecmdTimeout: 0x8000_0f51_0000_0000n,
  rejectedUnit: 0xc000_0100_0000_0001n,
  rejectedPages: 0xc000_0100_0000_0002n,
  notReady: 0xc000_0505_0000_0000n,
  ideOn: 0xc000_0f04_0000_0008n,
  invalidState: 0xc000_0f00_0000_0001n,
  unheardOf: 0xc000_0fee_0000_0000n,
} as const;

/** The fault classes that a history scripts. */
export const FAULTS = ["resumable", "operandBusy", "noEntropy", "ecmdTimeout", "rejectedUnit", "rejectedPages", "notReady", "unheardOf"] as const;
export type FaultKind = (typeof FAULTS)[number];

export type Verdict = "Done" | "Resume" | "NoEntropy" | "Retry" | "Unsupported" | "Failed";

/** What the driver makes of one attempt's status. */
export function verdictOf(leaf: LeafName, status: bigint): Verdict {
  switch (status) {
    case STATUS.success:
      return "Done";
    case STATUS.resumable:
      return "Resume";
    case STATUS.noEntropy:
      return "NoEntropy";
    case STATUS.operandBusy:
    case STATUS.ecmdTimeout:
      return "Retry";
    case STATUS.rejectedUnit:
      return leaf === SETUP_LEAF ? "Unsupported" : "Failed";
    default:
      return "Failed";
  }
}

/** The module keeps what it was given, although it has not finished. */
export function isHolding(status: bigint): boolean {
  return status === STATUS.resumable || status === STATUS.ecmdTimeout;
}

/** Refused before it began, and known to be: the module has none of the pages. */
export function tookNothing(status: bigint): boolean {
  return [STATUS.operandBusy, STATUS.noEntropy, STATUS.rejectedUnit, STATUS.notReady].some((refusal) => refusal === status);
}

/** A person must look: nobody may issue the leaf for this unit again. */
export function isFatal(status: bigint): boolean {
  return status === STATUS.rejectedUnit || status === STATUS.rejectedPages || status === STATUS.unheardOf;
}
