// SPDX-License-Identifier: Apache-2.0

import { isHolding, STATUS } from "./module-status.ts";
/** The two SEAMCALLs as the TDX module answers one attempt of them. */
import type { ModuleUnit } from "./module-unit.ts";

export interface Attempt {
  readonly unit: ModuleUnit;
  /** Which attempt of the operation it is, from 1. */
  readonly number: number;
  /** Scripted; null: the module answers for itself. */
  readonly scripted: bigint | null;
  /** How often the module interrupts itself. */
  readonly interruptions: number;
  readonly isCallable: boolean;
  readonly isIdeOn: boolean;
}

export function answerSetup(attempt: Attempt): bigint {
  const { unit, scripted } = attempt;
  if (!attempt.isCallable) return STATUS.notReady;
  if (scripted !== null && !isHolding(scripted)) return scripted;
  if (unit.phase === "Configured" || unit.phase === "Clearing") return STATUS.invalidState;
  if (unit.phase === "None" && attempt.isIdeOn) return STATUS.ideOn;
  unit.phase = "Configuring";
  if (scripted !== null) return scripted;
  if (attempt.number <= attempt.interruptions) return STATUS.resumable;
  unit.phase = "Configured";
  return STATUS.success;
}

export function answerClear(attempt: Attempt): bigint {
  const { unit, scripted } = attempt;
  if (!attempt.isCallable) return STATUS.notReady;
  if (scripted !== null && !isHolding(scripted)) return scripted;
  if (unit.phase === "None") return STATUS.rejectedUnit;
  if (unit.phase === "Configured" && attempt.isIdeOn) return STATUS.invalidState;
  unit.phase = "Clearing";
  if (scripted !== null) return scripted;
  if (attempt.number <= attempt.interruptions) return STATUS.resumable;
  unit.phase = "None";
  return STATUS.success;
}
