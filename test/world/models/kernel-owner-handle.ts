// SPDX-License-Identifier: Apache-2.0
import type { HostUnit } from "../../../src/domain/host.ts";
import { type DriverInfo, type DriverTable, type DriverUnit, domainsFromCap, ECAP_TDX_CONNECT } from "../../../src/domain/unit.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { Deadline, Driver, LoadsPort, SeamcallPort } from "../../../src/seamcall/port.ts";
import { conclude, type KernelEvidence } from "../../../src/seamcall/tdx-host/evidence.ts";
import { believe, type Past, remember, watchedLoad } from "../../../src/seamcall/tdx-host/past.ts";
import { linesOfLastLoad } from "../../../src/seamcall/tdx-host/setup-lines.ts";
import { loadFromText, textOfLoad, type WatchedLoad } from "../../../src/seamcall/tdx-host/watched-load.ts";
import type { Surroundings } from "../life/surroundings.ts";
import type { KernelOwner } from "./kernel-owner.ts";
import type { ModuleUnit } from "./module-unit.ts";

/** CAP.ND for 65,536 domain ids. */
const CAP = 6n;

/** What one process knows of loads: the product's own rules, over a model of what the kernel shows. */
export class KernelOwnerWatch implements LoadsPort {
  readonly #owner: KernelOwner;
  #past: Past | null = null;
  #proven: readonly WatchedLoad[] = [];
  /** Loads that the kernel has told this process of. */
  #told: number;

  constructor(owner: KernelOwner) {
    this.#owner = owner;
    this.#told = owner.loads;
  }

  look(): KernelEvidence {
    const { load, tsm, lines, newest, shape } = this.#owner;
    const arrived = this.#owner.loads - this.#told;
    this.#told = this.#owner.loads;
    this.#past = believe(remember(this.#past, { load, tsm, newest, arrived }), this.#proven);
    const { over, isWatched } = this.#past;
    const whole = isWatched ? "Watched" : load !== null && shape.isBuiltIn ? "BuiltIn" : null;
    const log = { kind: "Read", lines: over === null ? [] : linesOfLastLoad(lines, over) } as const;
    return { load, tsm: tsm === null ? null : { name: "tsm0", incarnation: tsm }, whole, log };
  }

  believe(loads: ReadonlySet<string>): void {
    this.#proven = [...loads].map(loadFromText).filter((load) => load !== null);
  }

  watched(): ReadonlySet<string> {
    const load = watchedLoad(this.#past);
    return new Set(load === null ? [] : [textOfLoad(load)]);
  }
}

type OwnerWorld = Pick<Surroundings<unknown>, "module" | "turnstile" | "host" | "isDriverReadable">;

/** The driver tdx_host, as a port: it concludes from evidence, and can be asked for nothing. */
export class KernelOwnerHandle implements SeamcallPort {
  readonly driver: Driver = "tdx_host";
  readonly #world: OwnerWorld;
  readonly #process: number;
  readonly #owner: KernelOwner;
  readonly #watch: KernelOwnerWatch;

  constructor(world: OwnerWorld, process: number, parts: { readonly owner: KernelOwner; readonly watch: KernelOwnerWatch }) {
    this.#world = world;
    this.#process = process;
    this.#owner = parts.owner;
    this.#watch = parts.watch;
  }

  info(): Promise<DriverInfo> {
    const info = { ...this.#world.module.info(), kernelOwned: true, realSetup: true, instance: this.#instance, abiVersion: 0 };
    return this.#world.turnstile.pass(this.#process, "seamcall.info", () => info);
  }

  deadline(): Deadline {
    return 0n as Deadline;
  }

  list(): Promise<DriverTable> {
    return this.#world.turnstile.pass(this.#process, "seamcall.list", () => {
      const { isDriverReadable, module } = this.#world;
      if (!isDriverReadable.value) throw new AppError("DRIVER_FAILED", "EIO");
      const found = this.#watch.look();
      const units = module.units.filter((unit) => unit.isPresent.value).map((unit) => this.#entry(unit, found));
      return { instance: this.#instance, generation: found.tsm?.incarnation ?? 0n, units };
    });
  }

  setup(): Promise<never> {
    return Promise.reject(new AppError("KERNEL_OWNED", "tdx_host sets up all units when it is loaded"));
  }

  clear(): Promise<never> {
    return Promise.reject(new AppError("KERNEL_OWNED", "tdx_host clears all units when it is unloaded"));
  }

  onChange(): () => void {
    return () => undefined;
  }

  close(): Promise<void> {
    return this.#world.turnstile.pass(this.#process, "seamcall.close", () => undefined);
  }

  get #instance(): string {
    return this.#world.host.bootId.toString(16).padStart(32, "0");
  }

  #entry({ regBase, canConnect }: ModuleUnit, found: KernelEvidence): DriverUnit {
    const domains = domainsFromCap(CAP);
    const unit: HostUnit = {
      regBase,
      kernelName: this.#world.host.unit(regBase)?.kernelName ?? "",
      cap: CAP,
      ecap: canConnect ? ECAP_TDX_CONNECT : 0n,
      domainsSupported: this.#owner.halved.has(regBase) ? domains / 2 : domains,
      domainsUsed: 8,
    };
    const { state, evidence, isLoadUnwatched } = conclude({ ...unit, incarnation: this.#owner.incarnations.get(regBase) ?? null }, found);
    const about = { regBase, segment: 0, numaNode: 0, cap: CAP, ecap: unit.ecap ?? 0n, gsts: 0, retryable: false, lastCall: null };
    const missing = isLoadUnwatched ? "WatchedLoad" : state === "Unknown" ? "Evidence" : null;
    const pages = { pagesDonated: 0, pagesRetained: 0 };
    return { ...about, ...pages, state, evidence, missing, tdxIommuId: null, setupSeq: found.tsm?.incarnation ?? 0n };
  }
}
