// SPDX-License-Identifier: Apache-2.0

/** The driver's half of the model: what the table makes of the module's answers, from the rules of the contract. */
import type { CallOutcome, DriverUnit, LastCall, Leaf, RegBase, UnitState } from "../../../src/domain/unit.ts";
import { ECAP_TDX_CONNECT } from "../../../src/domain/unit.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { SimulatedUnit } from "../../../src/stand-in/module/simulation.ts";
import type { Answer, PageSet } from "./module.ts";
import { blamesPages, isRetry, SUCCESS, saysUnsupported, tookNothing } from "./statuses.ts";

export interface Operation {
  readonly leaf: Leaf;
  readonly startedMs: number;
  attempts: number;
}

export interface TableUnit {
  readonly facts: SimulatedUnit;
  present: boolean;
  state: UnitState;
  id: bigint | null;
  idIncarnation: bigint;
  seq: bigint;
  retryable: boolean;
  held: PageSet | null;
  tried: PageSet | null;
  /** Pages given up for good. */
  retained: number;
  lastCall: LastCall | null;
  operation: Operation | null;
}

/** Root and ledger of a set. */
const SET_OVERHEAD = 2;

export class TableHalf {
  readonly units: readonly TableUnit[];
  generation = 1n;
  nextSeq = 1n;
  /** Sets that nobody holds any more, and that were never freed. */
  #givenUp = 0;

  constructor(units: readonly SimulatedUnit[]) {
    const sorted = [...units].sort((a, b) => (BigInt(a.regBase) < BigInt(b.regBase) ? -1 : 1));
    this.units = sorted.map((facts) => newUnit(facts));
  }

  find(regBase: RegBase): TableUnit {
    const unit = this.units.find((one) => one.facts.regBase === regBase && one.present);
    if (unit === undefined) throw new AppError("UNKNOWN_UNIT", `no unit ${regBase}`);
    return unit;
  }

  /** The module changed, or its environment did. `readable`: it can be asked again. */
  identityChanged(readable: boolean, incarnation: bigint): void {
    for (const unit of this.units) {
      if (unit.state === "Trusted") unit.state = "Unknown";
      if (!readable) continue;
      if (unit.state === "Unsupported") unit.state = restState(unit.facts);
      if (unit.id !== null && unit.idIncarnation !== incarnation) {
        unit.id = null;
        this.#giveUp(unit, "held");
      }
    }
    this.generation++;
  }

  begin(unit: TableUnit, leaf: Leaf, startedMs: number): void {
    unit.operation = { leaf, startedMs, attempts: 0 };
    unit.state = leaf === "TDH.IOMMU.SETUP" ? "SettingUp" : "Clearing";
    unit.retryable = false;
    this.generation++;
  }

  /** The pages for a SETUP: those of the last try, or fresh ones. */
  gather(unit: TableUnit, size: number): PageSet {
    unit.tried ??= { size, tainted: false };
    return unit.tried;
  }

  attempted(unit: TableUnit, answer: Answer): void {
    if (unit.operation === null) return;
    unit.operation.attempts++;
    if (unit.operation.leaf !== "TDH.IOMMU.SETUP" || unit.tried === null || unit.tried.tainted || tookNothing(answer.status)) return;
    unit.tried.tainted = true;
    this.generation++;
  }

  end(unit: TableUnit, answer: Answer, now: { readonly ms: number; readonly incarnation: bigint }): CallOutcome {
    const operation = unit.operation;
    if (operation === null) throw new AppError("INVARIANT_BROKEN", "no operation to end");
    const { leaf, attempts, startedMs } = operation;
    const outcome = leaf === "TDH.IOMMU.SETUP" ? this.#endSetup(unit, answer, now.incarnation) : this.#endClear(unit, answer);
    unit.lastCall = { leaf, status: answer.status, attempts, durationNs: BigInt(Math.round((now.ms - startedMs) * 1e6)) };
    unit.operation = null;
    this.generation++;
    return outcome;
  }

  setPresent(regBase: RegBase, present: boolean): void {
    const unit = this.units.find((one) => one.facts.regBase === regBase);
    if (unit === undefined || unit.present === present) return;
    unit.present = present;
    this.#giveUp(unit, "held");
    this.#giveUp(unit, "tried");
    forget(unit);
    this.generation++;
  }

  boot(): void {
    this.#givenUp = 0;
    for (const unit of this.units) {
      forget(unit);
      Object.assign(unit, { held: null, tried: null, retained: 0 });
    }
    this.generation++;
  }

  /** Pages the host has allocated. */
  allocated(): number {
    const sets = this.units.flatMap((unit) => [unit.held, unit.tried]).filter((set) => set !== null);
    return this.#givenUp + sets.reduce((sum, set) => sum + set.size + SET_OVERHEAD, 0);
  }

  #endSetup(unit: TableUnit, { status, id }: Answer, incarnation: bigint): CallOutcome {
    if (status === SUCCESS && id !== null) {
      const held = unit.tried === null ? null : { ...unit.tried, tainted: false };
      Object.assign(unit, { state: "Trusted", id, idIncarnation: incarnation, seq: this.nextSeq++, held, tried: null });
      return "Done";
    }
    unit.state = "Failed";
    if (isRetry(status)) {
      unit.retryable = true;
      return "Retry";
    }
    if (unit.tried?.tainted) {
      if (blamesPages(status)) this.#giveUp(unit, "tried");
      return "Failed";
    }
    unit.tried = null;
    if (!saysUnsupported("TDH.IOMMU.SETUP", status)) return "Failed";
    unit.state = "Unsupported";
    return "Unsupported";
  }

  #endClear(unit: TableUnit, { status }: Answer): CallOutcome {
    if (status === SUCCESS) {
      Object.assign(unit, { state: "Untrusted", id: null, held: null });
      return "Done";
    }
    unit.state = "Failed";
    unit.retryable = isRetry(status);
    return unit.retryable ? "Retry" : "Failed";
  }

  #giveUp(unit: TableUnit, which: "held" | "tried"): void {
    const set = unit[which];
    if (set === null) return;
    unit.retained += set.size;
    this.#givenUp += set.size + SET_OVERHEAD;
    unit[which] = null;
  }
}

function newUnit(facts: SimulatedUnit): TableUnit {
  const rest = { id: null, idIncarnation: 0n, seq: 0n, retryable: false, held: null, tried: null, retained: 0, lastCall: null, operation: null };
  return { facts, present: true, state: restState(facts), ...rest };
}

function restState(facts: SimulatedUnit): UnitState {
  if (facts.foreign) return "Foreign";
  return (facts.ecap & ECAP_TDX_CONNECT) === 0n ? "Unsupported" : "Untrusted";
}

function forget(unit: TableUnit): void {
  Object.assign(unit, { state: restState(unit.facts), id: null, retryable: false, lastCall: null, operation: null });
}

/** A unit as LIST shows it. */
export function shown(unit: TableUnit): DriverUnit {
  const { regBase, segment, numaNode, cap, ecap, gsts } = unit.facts;
  const given = (set: PageSet | null, tainted: boolean): number => (set !== null && set.tainted === tainted ? set.size : 0);
  return {
    ...{ regBase, segment, numaNode, cap, ecap, gsts },
    state: unit.state,
    tdxIommuId: unit.id,
    setupSeq: unit.seq,
    retryable: unit.retryable,
    lastCall: unit.lastCall,
    pagesDonated: given(unit.held, false) + given(unit.tried, false),
    pagesRetained: unit.retained + given(unit.tried, true),
    evidence: "",
    missing: null,
  };
}
