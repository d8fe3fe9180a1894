// SPDX-License-Identifier: Apache-2.0

/** The statuses the model speaks, and what they say; written from the fact sheet, not from the C. */
import type { Leaf } from "../../../src/domain/unit.ts";

export const RCX = 1n;
export const RDX = 2n;
export const R8 = 8n;

export const SUCCESS = 0n;
export const RESUMABLE = 0x8000_0003_0000_0000n;
export const NO_ENTROPY = 0x8000_0203_0000_0000n;
export const OPERAND_INVALID = 0xc000_0100_0000_0000n;
export const INVALID_RESUMPTION = 0xc000_0006_0000_0000n;
export const INVALID_STATE = 0xc000_0f00_0000_0000n;
export const RP_IDE_MUST_BE_DISABLED = 0xc000_0f04_0000_0000n;

const INTERRUPTED_BUSY = 0x8000_0206_0000_0000n;
const ECMD_TIMEOUT = 0x8000_0f51_0000_0000n;

const BUSY: readonly bigint[] = [
  0x8000_0200_0000_0000n, // OPERAND_BUSY
  0x8000_0201_0000_0000n, // PREVIOUS_TLB_EPOCH_BUSY
  0x8000_0202_0000_0000n, // SYS_BUSY
  NO_ENTROPY,
  0x8000_0204_0000_0000n, // OPERAND_BUSY_HOST_PRIORITY
  0x9000_0205_0000_0000n, // HOST_PRIORITY_BUSY_TIMEOUT
];

/** It has begun; repeating goes on with it. */
const BEGUN: readonly bigint[] = [
  RESUMABLE,
  0x8000_0004_0000_0000n, // INTERRUPTED_RESTARTABLE
  INTERRUPTED_BUSY,
  0x8000_0307_0000_0000n, // INTERRUPTED_PAMT
  ECMD_TIMEOUT,
];

/** Refusals which cannot come after a page was taken: of the unit, and by a module that is not at work. */
const REFUSED_AT_ONCE: readonly bigint[] = [
  OPERAND_INVALID | RCX,
  0xc000_0505_0000_0000n, // SYS_NOT_READY
  0xc000_0506_0000_0000n, // SYS_SHUTDOWN
];
const NEVER_ISSUED: readonly bigint[] = [0x8000_ff00_ffff_0000n, 0x8000_ff00_0000_000dn, 0x8000_ff00_0000_0006n];

const PAGES_REFUSED: readonly bigint[] = [
  0xc000_0300_0000_0000n, // PAGE_METADATA_INCORRECT
  0xc000_0303_0000_0000n, // PAGE_NOT_FREE
  0xc000_0304_0000_0000n, // HPA_RANGE_NOT_FREE
  0xc000_0f3d_0000_0000n, // IOMMU_MT_PAGE_IN_USE
];

function withoutOperand(status: bigint): bigint {
  return (status >> 32n) << 32n;
}

export function isRetry(status: bigint): boolean {
  return BUSY.includes(withoutOperand(status)) || BEGUN.includes(withoutOperand(status));
}

export function tookNothing(status: bigint): boolean {
  const namesNoPage = status - withoutOperand(status) <= RCX;
  return (BUSY.includes(withoutOperand(status)) && namesNoPage) || REFUSED_AT_ONCE.includes(status) || NEVER_ISSUED.includes(status);
}

export function blamesPages(status: bigint): boolean {
  return PAGES_REFUSED.includes(withoutOperand(status));
}

/** Statuses with which the simulated module takes the pages although it has not finished. */
export function holdsPages(status: bigint): boolean {
  return [RESUMABLE, INTERRUPTED_BUSY, ECMD_TIMEOUT].includes(withoutOperand(status));
}

export function saysUnsupported(leaf: Leaf, status: bigint): boolean {
  return leaf === "TDH.IOMMU.SETUP" && status === (OPERAND_INVALID | RCX);
}
