// SPDX-License-Identifier: Apache-2.0

/**
 * A second, independent implementation of the driver's table and of the simulated TDX module: in memory, deterministic, with time and
 * randomness passed in. It has the same port as the C behind the addon and the same control functions; `simulator-model.test.ts` compares
 * the two, so that worlds which use this one say something about the other.
 */
import type { CallOutcome, DriverInfo, DriverTable, Environment, Leaf, RegBase } from "../../src/domain/unit.ts";
import { ECAP_TDX_CONNECT } from "../../src/domain/unit.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { AppError } from "../../src/runtime/errors.ts";
import type { ClearTarget, SeamcallPort } from "../../src/seamcall/port.ts";
import type { LinkTarget, ModuleDump, SimulatedFault, SimulationOptions } from "../../src/stand-in/module/simulation.ts";
import { FAULT_DEFAULTS, SIMULATION_DEFAULTS } from "../../src/stand-in/module/simulation.ts";
import { ModelHandle, type ModelHost } from "./simulator/handle.ts";
import { type Answer, type ModelledUnit, ModuleHalf, type PageSet } from "./simulator/module.ts";
import { shown, TableHalf, type TableUnit } from "./simulator/table.ts";

const QUEUE_PAGES = 4;
const MAX_MT_PAGES = 510;
const NEVER_CALLABLE: readonly Environment[] = ["Ud", "Gp", "VmFailInvalid", "NotReady"];

export type SimulatorModelOptions = Partial<Omit<SimulationOptions, "units">> &
  Pick<SimulationOptions, "units"> & {
    readonly clock: Clock;
    /** 32 hex digits, another at each call. */
    readonly newInstance: () => string;
  };

/** One simulated host. Handles come and go; this stays, as the kernel and the TDX module do. */
export class SimulatorModel implements ModelHost {
  readonly module: ModuleHalf;
  readonly table: TableHalf;
  readonly clock: Clock;
  readonly #options: SimulationOptions;
  readonly #newInstance: () => string;
  readonly #listeners = new Set<() => void>();
  #instance: string;
  #seen: { environment: Environment; incarnation: bigint };
  #writer: ModelHandle | null = null;

  constructor({ clock, newInstance, ...options }: SimulatorModelOptions) {
    this.#options = { ...SIMULATION_DEFAULTS, ...options };
    this.clock = clock;
    this.#newInstance = newInstance;
    this.#instance = newInstance();
    this.module = new ModuleHalf(options.units, this.#options.interruptions, this.#options.environment);
    this.table = new TableHalf(options.units);
    this.#seen = { environment: this.module.environment, incarnation: this.module.incarnation };
  }

  /** A port as the addon gives it. WRITER_BUSY while another writer is open. Unfinished operations go on. */
  open(options: { readonly writable: boolean } = { writable: true }): SeamcallPort {
    if (options.writable && this.#writer !== null) throw new AppError("WRITER_BUSY", "another handle holds the driver for writing");
    const handle = new ModelHandle(this, options.writable);
    if (options.writable) this.#writer = handle;
    return handle;
  }

  /** The process dies: its handle is gone, and everything it had begun stays as it was. */
  crash(): void {
    this.#writer?.drop();
  }

  addFault(fault: Partial<SimulatedFault>): void {
    this.module.faults.push({ ...FAULT_DEFAULTS, ...fault });
  }

  clearFaults(): void {
    this.module.faults = [];
  }

  setLink({ regBase, address }: LinkTarget, secured: boolean): void {
    const unit = this.#moduleUnit(regBase);
    if (secured) unit.links.add(address);
    else unit.links.delete(address);
  }

  setPresent(regBase: RegBase, present: boolean): void {
    this.module.setPresent(this.#moduleUnit(regBase), present);
    this.table.setPresent(regBase, present);
    this.changed();
  }

  reboot(): void {
    this.module.loadAnew();
    this.module.environment = "Ok";
    for (const unit of this.module.units) unit.links.clear();
    this.table.boot();
    this.#instance = this.#newInstance();
    this.#seen = { environment: "Ok", incarnation: this.module.incarnation };
    this.changed();
  }

  moduleGone(environment: Exclude<Environment, "Ok">): void {
    this.module.environment = environment;
    this.changed();
  }

  moduleBack({ lost }: { readonly lost: boolean }): void {
    this.module.environment = "Ok";
    if (lost) this.module.loadAnew();
    this.changed();
  }

  dump(): Omit<ModuleDump, "corruptedPage" | "freedTooEarly" | "pagesTotal" | "units"> & { readonly units: readonly ModelledUnit[] } {
    const { environment, incarnation, calls, faults, units } = this.module;
    const { profile, mtPageCount } = this.#options;
    return {
      incarnation,
      environment,
      profile,
      mtPageCount,
      calls: { ...calls },
      faults: [...faults],
      pagesAllocated: this.table.allocated(),
      units,
    };
  }

  info(): DriverInfo {
    this.refresh();
    const { environment } = this.module;
    const callable = !NEVER_CALLABLE.includes(environment);
    const units = this.table.units.map(shown);
    return {
      ...{
        simulated: true,
        realSetup: false,
        kernelOwned: false,
        didUnreserved: false,
        honoursNotAfter: true,
        abiVersion: 2,
        environment,
        instance: this.#instance,
      },
      abiProfile: callable ? this.#options.profile : "Unknown",
      module: callable ? { version: "2.0.18", buildNum: 1094, buildDate: 20260401 } : null,
      features0: callable ? 64n : null,
      mtPageCount: environment === "Ok" ? this.#options.mtPageCount : null,
      pagesDonated: units.reduce((sum, unit) => sum + unit.pagesDonated, 0),
      pagesRetained: units.reduce((sum, unit) => sum + unit.pagesRetained, 0),
    };
  }

  list(): DriverTable {
    this.refresh();
    const units = this.table.units.filter((unit) => unit.present).map(shown);
    return { instance: this.#instance, generation: this.table.generation, units };
  }

  /** Reads the module's identity as LIST does. */
  refresh(): void {
    const { environment, incarnation } = this.module;
    if (environment === this.#seen.environment && incarnation === this.#seen.incarnation) return;
    this.#seen = { environment, incarnation };
    this.table.identityChanged(environment === "Ok", incarnation);
  }

  /** The outcome of a SETUP without a SEAMCALL, or null when the operation has begun. */
  beginSetup(regBase: RegBase): CallOutcome | null {
    const unit = this.table.find(regBase);
    this.refresh();
    const { environment } = this.module;
    if (NEVER_CALLABLE.includes(environment)) throw new AppError("NO_TDX_MODULE", `the environment is ${environment}`);
    if (unit.state === "Trusted") return "Already";
    if (unit.facts.foreign || unit.id !== null) return "Failed";
    if ((unit.facts.ecap & ECAP_TDX_CONNECT) === 0n || environment !== "Ok") return this.#unsupported(unit);
    const { mtPageCount } = this.#options;
    if (mtPageCount < 1 || mtPageCount > MAX_MT_PAGES) return "Failed";
    this.table.gather(unit, QUEUE_PAGES + mtPageCount);
    this.table.begin(unit, "TDH.IOMMU.SETUP", this.clock.nowMs());
    this.changed();
    return null;
  }

  beginClear({ regBase, tdxIommuId, setupSeq }: ClearTarget): void {
    const unit = this.table.find(regBase);
    this.refresh();
    if (unit.id === null || unit.id !== tdxIommuId || unit.seq !== setupSeq) throw new AppError("STALE_ID", `not the id of ${regBase}`);
    if (this.module.environment !== "Ok") throw new AppError("NO_TDX_MODULE", `the environment is ${this.module.environment}`);
    this.table.begin(unit, "TDH.IOMMU.CLEAR", this.clock.nowMs());
    this.changed();
  }

  delayMs(unit: TableUnit, leaf: Leaf): number {
    const target = leaf === "TDH.IOMMU.SETUP" ? this.module.at(unit.facts.regBase) : unit.id === null ? null : this.module.withId(unit.id);
    return Math.max(this.module.delayMs(leaf, target), this.#options.latencyMs);
  }

  attempt(unit: TableUnit, leaf: Leaf): Answer {
    const environment = ENVIRONMENT_STATUS[this.module.environment];
    if (environment !== null) return { status: environment, id: null };
    if (leaf === "TDH.IOMMU.SETUP") return this.module.setup(this.module.at(unit.facts.regBase), unit.tried as PageSet);
    return this.module.clear(unit.id ?? 0n);
  }

  end(unit: TableUnit, answer: Answer): CallOutcome {
    this.refresh();
    const outcome = this.table.end(unit, answer, { ms: this.clock.nowMs(), incarnation: this.module.incarnation });
    this.changed();
    return outcome;
  }

  changed(): void {
    for (const listener of [...this.#listeners]) this.clock.after(0, listener);
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  left(handle: ModelHandle): void {
    if (this.#writer === handle) this.#writer = null;
  }

  #unsupported(unit: TableUnit): CallOutcome {
    if (unit.state !== "Unsupported") {
      unit.state = "Unsupported";
      this.table.generation++;
    }
    return "Unsupported";
  }

  #moduleUnit(regBase: RegBase): ModelledUnit {
    const unit = this.module.at(regBase);
    if (unit === null) throw new AppError("SIMULATION_INVALID", `no unit ${regBase}`);
    return unit;
  }
}

const ENVIRONMENT_STATUS: Readonly<Record<Environment, bigint | null>> = {
  Ok: null,
  Ud: 0x8000_ff00_0000_0006n,
  Gp: 0x8000_ff00_0000_000dn,
  VmFailInvalid: 0x8000_ff00_ffff_0000n,
  NotReady: 0xc000_0505_0000_0000n,
  NotOptedIn: 0xc000_0100_0000_0000n,
};
