// SPDX-License-Identifier: Apache-2.0
import type { DriverInfo, DriverTable, Environment } from "../../../src/domain/unit.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { CallResult, ClearTarget } from "../../../src/seamcall/port.ts";
import { Fact } from "./fact.ts";
import { endClear, endSetup, entryOf, PAGES } from "./module-entry.ts";
import { answerClear, answerSetup } from "./module-leaves.ts";
import { type LeafName, SETUP_LEAF, tookNothing, verdictOf } from "./module-status.ts";
import { type ModuleUnit, moduleUnit, type UnitShape } from "./module-unit.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

export interface Ticket {
  readonly leaf: LeafName;
  readonly regBase: string;
  readonly target: ClearTarget | null;
  /** In ns of the world's time; null for SETUP. */
  readonly notAfter: bigint | null;
  readonly process: number;
  /** Its turn has come and nothing speaks against it: the SEAMCALL begins now. */
  readonly begins: () => void;
  readonly done: (answer: CallResult | AppError) => void;
}

export interface ScriptedFault {
  /** Its class and leaf, for the counts. */
  readonly name: string;
  readonly leaf: LeafName;
  readonly regBase: string;
  /** Null: only the delay. */
  readonly status: bigint | null;
  readonly delayMs: number;
  count: number;
}

export interface ModuleShape {
  readonly units: readonly UnitShape[];
  readonly info: Pick<DriverInfo, "simulated" | "realSetup" | "didUnreserved" | "honoursNotAfter">;
  readonly latencyMs: number;
  readonly interruptions: number;
  /** The kernel's own driver sets up and clears: the truth of trust is its model's. */
  readonly isKernelOwned?: boolean;
  /** The module sees that IDE is on below a unit. */
  readonly ideOn: (regBase: string) => boolean;
}

interface Operation {
  readonly unit: ModuleUnit;
  readonly leaf: LeafName;
  readonly startedMs: number;
  ticket: Ticket;
  attempts: number;
  entropy: number;
}

export function nsOf(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000_000));
}

const ENTROPY_ATTEMPTS = 10;

/** The TDX module and the driver's table above it, in one. Operations run on their own: no caller's death stops one that has begun. */
export class ModuleModel {
  readonly units: readonly ModuleUnit[];
  readonly environment: Fact<Environment>;
  readonly faults: ScriptedFault[] = [];
  /** Names of the faults that SEAMCALLs ran into. */
  readonly faultsTaken: string[] = [];
  readonly #listeners = new Map<number, () => void>();
  readonly #time: WorldTime;
  readonly #shape: ModuleShape;
  #queue: Ticket[] = [];
  #running: Operation | null = null;
  #incarnation = 1;
  /** What the table last read of the module. */
  #seen = { environment: "Ok" as Environment, incarnation: 1 };
  #instance = 1;
  #generation = 1n;
  #nextId = 0n;
  #nextSeq = 1n;
  /** Changes of the table wake nobody. */
  isMute = false;

  constructor(time: WorldTime, shape: ModuleShape) {
    this.#time = time;
    this.#shape = shape;
    this.environment = new Fact<Environment>(time, "Ok");
    this.units = shape.units.map((unit) => moduleUnit(time, unit));
  }

  get instance(): string {
    return this.#instance.toString(16).padStart(32, "0");
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  find(regBase: string): ModuleUnit | null {
    return this.units.find((unit) => unit.regBase === regBase) ?? null;
  }

  listen(process: number, listener: () => void): () => void {
    this.#listeners.set(process, listener);
    return () => void this.#listeners.delete(process);
  }

  info(): DriverInfo {
    this.#refresh();
    const isOk = this.#seen.environment === "Ok";
    return {
      ...this.#shape.info,
      kernelOwned: false,
      abiVersion: this.#shape.info.honoursNotAfter ? 2 : 1,
      abiProfile: isOk ? "Newest" : "Unknown",
      environment: this.#seen.environment,
      instance: this.instance,
      module: isOk ? { version: "2.0.18", buildNum: 1, buildDate: 20260101 } : null,
      features0: isOk ? 1n << 6n : null,
      mtPageCount: isOk ? 2 : null,
      pagesDonated: 0,
      pagesRetained: 0,
    };
  }

  list(): DriverTable {
    this.#refresh();
    return { instance: this.instance, generation: this.#generation, units: this.units.filter((unit) => unit.isPresent.value).map(entryOf) };
  }

  submit(ticket: Ticket): void {
    this.#queue.push(ticket);
    this.#pump();
  }

  /** The caller is gone: what the module has begun goes on, what it has not is dropped. */
  forget(process: number): void {
    this.#listeners.delete(process);
    this.#queue = this.#queue.filter((ticket) => ticket.process !== process);
    const running = this.#running;
    if (running?.ticket.process === process) running.ticket = { ...running.ticket, done: () => undefined };
  }

  setPresent(unit: ModuleUnit, present: boolean): void {
    if (!unit.isPresent.set(present, !this.isMute)) return;
    this.#interrupt(unit, "UNKNOWN_UNIT");
    unit.retained += unit.id === null ? 0 : PAGES;
    unit.forget();
    this.#bump();
  }

  setEnvironment(environment: Environment): void {
    this.environment.set(environment);
    this.#trust(false);
  }

  /** The TDX module is loaded anew: it knows no unit any more. Nobody is told. */
  loadModuleAnew(): void {
    this.#incarnation += 1;
    // A module that is loaded anew counts its ids from the start: an old id may be another unit's now.
    this.#nextId = 0n;
    for (const unit of this.units) {
      unit.phase = unit.isForeign ? "Configured" : "None";
      unit.interrupted = 0;
    }
    this.environment.set("Ok");
    this.#trust(false);
  }

  /** The driver is loaded anew over a module that goes on: units that it had set up are nobody's now. */
  loadDriverAnew(): void {
    this.#renew("BACKEND_GONE");
    for (const unit of this.units) {
      if (unit.phase !== "None") unit.isForeign = true;
      unit.forget(unit.phase);
    }
    this.#bump();
  }

  reboot(): void {
    this.#renew("BACKEND_GONE");
    this.#incarnation += 1;
    // A module that is loaded anew counts its ids from the start: an old id may be another unit's now.
    this.#nextId = 0n;
    for (const unit of this.units) {
      unit.isForeign = unit.isForeignAtBoot;
      unit.retained = 0;
      unit.forget();
    }
    this.environment.set("Ok");
    this.#seen = { environment: "Ok", incarnation: this.#incarnation };
    this.#bump();
  }

  #renew(code: "BACKEND_GONE"): void {
    // Before anything ends: what waits must not have its turn now.
    const waiting = this.#queue.splice(0);
    for (const unit of this.units) this.#interrupt(unit, code);
    for (const ticket of waiting) ticket.done(new AppError(code, "the driver was loaded anew"));
    this.#instance += 1;
  }

  #interrupt(unit: ModuleUnit, code: "UNKNOWN_UNIT" | "BACKEND_GONE"): void {
    const running = this.#running;
    if (running?.unit !== unit) return;
    this.#running = null;
    running.ticket.done(new AppError(code, `${unit.regBase} went away under a SEAMCALL`));
    this.#pump();
  }

  #pump(): void {
    while (this.#running === null) {
      const ticket = this.#queue.shift();
      if (ticket === undefined) return;
      const answer = this.#admit(ticket);
      if (answer) ticket.done(answer);
    }
  }

  /** An answer that needs no SEAMCALL; null when the operation has begun. */
  #admit(ticket: Ticket): CallResult | AppError | null {
    const unit = this.find(ticket.regBase);
    if (!unit?.isPresent.value) return new AppError("UNKNOWN_UNIT", `${ticket.regBase} is not there`);
    if (!this.#shape.info.simulated && !this.#shape.info.realSetup) return new AppError("REAL_SETUP_DISABLED", "real SETUP is off");
    this.#refresh();
    const { target } = ticket;
    if (target && (unit.id === null || unit.id !== target.tdxIommuId || unit.seq !== target.setupSeq))
      return new AppError("STALE_ID", "that id is not the unit's");
    if (this.#seen.environment !== "Ok") return new AppError("NO_TDX_MODULE", "TDX cannot be called");
    if (ticket.notAfter !== null && nsOf(this.#time.nowMs) > ticket.notAfter) return new AppError("TOO_LATE", "its turn came too late");
    if (!target) {
      if (unit.state === "Trusted") return { outcome: "Already", unit: entryOf(unit) };
      if (unit.isForeign || unit.id !== null) return { outcome: "Failed", unit: entryOf(unit) };
      if (!unit.canConnect) return { outcome: "Unsupported", unit: entryOf(unit) };
    }
    ticket.begins();
    this.#running = { unit, leaf: ticket.leaf, ticket, startedMs: this.#time.nowMs, attempts: 0, entropy: 0 };
    unit.state = target ? "Clearing" : "SettingUp";
    unit.isRetryable = false;
    this.#bump();
    this.#attempt(this.#running);
    return null;
  }

  #attempt(operation: Operation): void {
    const { unit, leaf } = operation;
    const fault = this.faults.find((one) => one.leaf === leaf && one.regBase === unit.regBase && one.count > 0);
    if (fault) {
      fault.count -= 1;
      this.faultsTaken.push(fault.name);
    }
    this.#time.after(WORLD, this.#shape.latencyMs + (fault?.delayMs ?? 0), () => {
      if (this.#running !== operation) return;
      operation.attempts += 1;
      const answer = leaf === SETUP_LEAF ? answerSetup : answerClear;
      const isCallable = this.environment.value === "Ok";
      const { interruptions } = this.#shape;
      const attempt = { unit, scripted: fault?.status ?? null, interruptions, isCallable };
      this.#settle(operation, answer({ ...attempt, isIdeOn: this.#shape.ideOn(unit.regBase) }));
    });
  }

  #settle(operation: Operation, status: bigint): void {
    const { unit, leaf } = operation;
    const verdict = verdictOf(leaf, status);
    if (leaf === SETUP_LEAF && !tookNothing(status)) unit.isTainted = true;
    operation.entropy = verdict === "NoEntropy" ? operation.entropy + 1 : 0;
    if (verdict === "Resume" || (verdict === "NoEntropy" && operation.entropy < ENTROPY_ATTEMPTS)) {
      this.#attempt(operation);
      return;
    }
    this.#running = null;
    this.#refresh();
    const durationNs = BigInt(this.#time.nowMs - operation.startedMs) * 1_000_000n;
    unit.lastCall = { leaf, status, attempts: operation.attempts, durationNs };
    const outcome = leaf === SETUP_LEAF ? endSetup(unit, verdict, () => this.#trusted(unit)) : endClear(unit, verdict);
    this.#bump();
    operation.ticket.done({ outcome, unit: entryOf(unit) });
    this.#pump();
  }

  #trusted(unit: ModuleUnit): void {
    unit.id = this.#nextId++;
    unit.seq = this.#nextSeq++;
    unit.incarnation = this.#incarnation;
    unit.state = this.environment.value === "Ok" ? "Trusted" : "Unknown";
  }

  /** The table reads the module's identity again, as LIST and every call do. */
  #refresh(): void {
    const now = { environment: this.environment.value, incarnation: this.#incarnation };
    if (now.environment === this.#seen.environment && now.incarnation === this.#seen.incarnation) return;
    this.#seen = now;
    for (const unit of this.units) unit.identityChanged(now);
    this.#bump();
  }

  #bump(): void {
    this.#generation += 1n;
    this.#trust(!this.isMute);
    if (this.isMute) return;
    for (const listener of [...this.#listeners.values()]) listener();
  }

  /** What is true now of every unit's trust, whatever the table believes. */
  #trust(isLoud: boolean): void {
    if (this.#shape.isKernelOwned === true) return;
    for (const unit of this.units) {
      const isReal = unit.phase === "Configured" && unit.incarnation === this.#incarnation && this.environment.value === "Ok";
      const isTrusted = isReal && unit.state === "Trusted" && unit.isPresent.value && unit.id !== null;
      unit.noteEntry();
      if (isTrusted) unit.span.set(`${this.instance}/${unit.seq}`);
      unit.trust.set(isTrusted ? `${this.instance}/${unit.seq}` : null, isLoud);
    }
  }
}
