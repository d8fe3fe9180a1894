// SPDX-License-Identifier: Apache-2.0

/** The two SEAMCALLs as the TDX module answers one attempt of them. */
import { isHolding, STATUS } from "./module-status.ts";
import type { ModuleUnit } from "./module-unit.ts";

export interface Attempt {
  readonly unit: ModuleUnit;
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
  if (unit.phase === "None") unit.interrupted = 0;
  unit.phase = "Configuring";
  if (scripted !== null) return scripted;
  if (interrupts(attempt)) return STATUS.resumable;
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
  if (interrupts(attempt)) return STATUS.resumable;
  unit.phase = "None";
  return STATUS.success;
}

/** The module interrupts itself so often before it comes to an end. */
function interrupts({ unit, interruptions }: Attempt): boolean {
  const isInterrupted = unit.interrupted < interruptions;
  unit.interrupted = isInterrupted ? unit.interrupted + 1 : 0;
  return isInterrupted;
}
