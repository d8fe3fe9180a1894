// SPDX-License-Identifier: Apache-2.0

/** The TDX module's half of the model: what a SEAMCALL does to it, and the script of faults. */
import type { Environment, Leaf, RegBase } from "../../../src/domain/unit.ts";
import { ECAP_TDX_CONNECT } from "../../../src/domain/unit.ts";
import { GSTS_HEALTHY, type ModulePhase, type SimulatedFault, type SimulatedUnit } from "../../../src/stand-in/module/simulation.ts";
import {
  holdsPages,
  INVALID_RESUMPTION,
  INVALID_STATE,
  OPERAND_INVALID,
  R8,
  RCX,
  RDX,
  RESUMABLE,
  RP_IDE_MUST_BE_DISABLED,
  SUCCESS,
} from "./statuses.ts";

/** One gathered IOMMU_MT set; its identity is the root page's address. */
export interface PageSet {
  readonly size: number;
  tainted: boolean;
}

export interface ModelledUnit {
  readonly facts: SimulatedUnit;
  present: boolean;
  phase: ModulePhase;
  id: bigint | null;
  root: PageSet | null;
  interrupted: number;
  owned: number;
  readonly links: Set<string>;
  setupCalls: bigint;
  clearCalls: bigint;
}

/** The answer of one attempt; `id` with success of SETUP only. */
export interface Answer {
  readonly status: bigint;
  readonly id: bigint | null;
}

const GSTS_NEEDED = GSTS_HEALTHY & ~0x0200_0000;

export class ModuleHalf {
  readonly units: readonly ModelledUnit[];
  readonly interruptions: number;
  environment: Environment;
  incarnation = 1n;
  faults: SimulatedFault[] = [];
  calls: Record<Leaf, bigint> = { "TDH.IOMMU.SETUP": 0n, "TDH.IOMMU.CLEAR": 0n };
  #nextId = 0n;

  constructor(units: readonly SimulatedUnit[], interruptions: number, environment: Environment) {
    this.units = units.map(newUnit);
    this.interruptions = interruptions;
    this.environment = environment;
  }

  at(regBase: RegBase): ModelledUnit | null {
    return this.units.find((unit) => unit.facts.regBase === regBase) ?? null;
  }

  withId(id: bigint): ModelledUnit | null {
    return this.units.find((unit) => unit.id === id) ?? null;
  }

  /** How long the next attempt takes by the script. */
  delayMs(leaf: Leaf, unit: ModelledUnit | null): number {
    return this.faults.find((fault) => matches(fault, leaf, unit) && fault.skip === 0)?.delayMs ?? 0;
  }

  setup(unit: ModelledUnit | null, root: PageSet): Answer {
    const fault = this.#take("TDH.IOMMU.SETUP", unit);
    this.calls["TDH.IOMMU.SETUP"]++;
    if (unit !== null) unit.setupCalls++;
    const scripted = fault?.status ?? SUCCESS;
    if (scripted !== SUCCESS && !holdsPages(scripted) && !fault?.keepPages) return { status: scripted, id: null };
    const refusal = this.#setupRefusal(unit, root);
    if (refusal !== SUCCESS || unit === null) return { status: refusal, id: null };
    if (unit.phase === "None") Object.assign(unit, { phase: "Configuring", root, interrupted: 0, owned: unit.owned + root.size });
    const pending = this.#pending(unit, scripted);
    if (pending !== SUCCESS) return { status: pending, id: null };
    Object.assign(unit, { phase: "Configured", root: null, interrupted: 0, id: this.#nextId++ });
    return { status: SUCCESS, id: unit.id };
  }

  clear(id: bigint): Answer {
    const unit = this.withId(id);
    const fault = this.#take("TDH.IOMMU.CLEAR", unit);
    this.calls["TDH.IOMMU.CLEAR"]++;
    if (unit !== null) unit.clearCalls++;
    const scripted = fault?.status ?? SUCCESS;
    if (scripted !== SUCCESS && !holdsPages(scripted)) return { status: scripted, id: null };
    if (unit === null) return { status: OPERAND_INVALID | RCX, id: null };
    if (unit.phase === "Configured" && unit.links.size > 0) return { status: INVALID_STATE | RCX, id: null };
    unit.phase = "Clearing";
    const pending = this.#pending(unit, scripted);
    if (pending !== SUCCESS) return { status: pending, id: null };
    Object.assign(unit, { phase: "None", id: null, interrupted: 0, owned: 0 });
    return { status: SUCCESS, id: null };
  }

  /** Loaded anew: it knows nothing, and ids start again. */
  loadAnew(): void {
    this.incarnation++;
    this.#nextId = 0n;
    for (const unit of this.units) {
      forget(unit);
      unit.owned = 0;
    }
  }

  setPresent(unit: ModelledUnit, present: boolean): void {
    if (unit.present === present) return;
    unit.present = present;
    // What it owned stays the module's, but no longer this unit's.
    unit.owned = 0;
    forget(unit);
  }

  #pending(unit: ModelledUnit, scripted: bigint): bigint {
    if (scripted !== SUCCESS) return scripted;
    if (unit.interrupted >= this.interruptions) return SUCCESS;
    unit.interrupted++;
    return RESUMABLE;
  }

  #setupRefusal(unit: ModelledUnit | null, root: PageSet): bigint {
    if (!unit?.present || (unit.facts.ecap & ECAP_TDX_CONNECT) === 0n) return OPERAND_INVALID | RCX;
    if (unit.phase === "Configuring") return unit.root === root ? SUCCESS : INVALID_RESUMPTION | RDX;
    if (unit.phase !== "None" || (unit.facts.gsts & GSTS_NEEDED) !== GSTS_NEEDED) return INVALID_STATE | RCX;
    return unit.links.size > 0 ? RP_IDE_MUST_BE_DISABLED | R8 : SUCCESS;
  }

  #take(leaf: Leaf, unit: ModelledUnit | null): SimulatedFault | null {
    for (const [at, fault] of this.faults.entries()) {
      if (!matches(fault, leaf, unit)) continue;
      if (fault.skip > 0) {
        this.faults[at] = { ...fault, skip: fault.skip - 1 };
        continue;
      }
      if (fault.count === 1) this.faults.splice(at, 1);
      else if (fault.count !== null) this.faults[at] = { ...fault, count: fault.count - 1 };
      return fault;
    }
    return null;
  }
}

function newUnit(facts: SimulatedUnit): ModelledUnit {
  const phase = facts.foreign ? "Foreign" : "None";
  return { facts, present: true, phase, id: null, root: null, interrupted: 0, owned: 0, links: new Set(), setupCalls: 0n, clearCalls: 0n };
}

function forget(unit: ModelledUnit): void {
  Object.assign(unit, { phase: unit.phase === "Foreign" ? "Foreign" : "None", id: null, root: null, interrupted: 0 });
}

function matches(fault: SimulatedFault, leaf: Leaf, unit: ModelledUnit | null): boolean {
  if (fault.leaf !== null && fault.leaf !== leaf) return false;
  return fault.regBase === null || fault.regBase === unit?.facts.regBase;
}
