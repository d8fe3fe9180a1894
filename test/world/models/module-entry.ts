// SPDX-License-Identifier: Apache-2.0

/** One unit's entry in the driver's table: what an operation's end makes of it, and what LIST shows of it. */
import type { CallOutcome, DriverUnit } from "../../../src/domain/unit.ts";
import type { Verdict } from "./module-status.ts";
import type { ModuleUnit } from "./module-unit.ts";

/** Pages that a SETUP hands over. */
export const PAGES = 6;

export function endSetup(unit: ModuleUnit, verdict: Verdict, trusted: () => void): CallOutcome {
  if (verdict === "Done") {
    unit.isTainted = false;
    trusted();
    return "Done";
  }
  if (fails(unit, verdict)) return "Retry";
  if (verdict !== "Unsupported" || unit.id !== null || unit.isTainted) return "Failed";
  unit.state = "Unsupported";
  return "Unsupported";
}

export function endClear(unit: ModuleUnit, verdict: Verdict): CallOutcome {
  if (verdict === "Done") {
    unit.id = null;
    unit.state = "Untrusted";
    return "Done";
  }
  return fails(unit, verdict) ? "Retry" : "Failed";
}

/** True when a repeat with the same pages may help. */
function fails(unit: ModuleUnit, verdict: Verdict): boolean {
  unit.state = "Failed";
  unit.isRetryable = verdict === "Retry" || verdict === "NoEntropy";
  return unit.isRetryable;
}

export function entryOf(unit: ModuleUnit): DriverUnit {
  return {
    regBase: unit.regBase,
    segment: 0,
    numaNode: 0,
    cap: 0n,
    ecap: unit.canConnect ? 1n << 50n : 0n,
    gsts: 0,
    state: unit.state,
    tdxIommuId: unit.id,
    setupSeq: unit.seq,
    retryable: unit.isRetryable,
    lastCall: unit.lastCall,
    pagesDonated: unit.id === null ? 0 : PAGES,
    pagesRetained: unit.retained,
    evidence: "",
    missing: null,
  };
}
