// SPDX-License-Identifier: Apache-2.0

/**
 * A kernel that owns TDX Connect: its driver tdx_host sets up every unit when it is loaded and clears every one when it is unloaded. It shows a
 * device, a TSM and lines in a log; what is true of the units, only this model knows.
 */
import { type LogLine, logLineOf } from "../../../src/seamcall/tdx-host/setup-lines.ts";
import type { HostModel } from "./host-model.ts";
import type { ModuleModel } from "./module-model.ts";
import type { ModuleUnit } from "./module-unit.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

export interface KernelOwnerShape {
  /** Its lines name units as the kernel does, and it halves their domain ids; else they name addresses. */
  readonly isNaming: boolean;
  readonly isBuiltIn: boolean;
  readonly latencyMs: number;
}

export class KernelOwner {
  readonly shape: KernelOwnerShape;
  readonly lines: LogLine[] = [];
  /** Number of the newest record of the log. */
  newest = -1;
  load: bigint | null = null;
  tsm: bigint | null = null;
  /** Loads in this boot: the lines of more than one can be parted only by who watched them. */
  loads = 0;
  /** Units whose domain ids are halved now. */
  readonly halved = new Set<string>();
  readonly incarnations = new Map<string, bigint>();
  readonly #parts: { readonly time: WorldTime; readonly host: HostModel; readonly module: ModuleModel };
  readonly #setupBegins: (regBase: string) => void;
  #nextInode = 1n;

  constructor(shape: KernelOwnerShape, parts: { time: WorldTime; host: HostModel; module: ModuleModel; setupBegins: (regBase: string) => void }) {
    this.shape = shape;
    this.#parts = parts;
    this.#setupBegins = parts.setupBegins;
    this.boot();
  }

  /** Nothing is loaded, and the log is empty; what is built in loads at once. */
  boot(): void {
    this.unloadDriver();
    this.lines.length = 0;
    this.newest = -1;
    this.loads = 0;
    for (const unit of this.#parts.module.units) this.incarnations.set(unit.regBase, this.#nextInode++);
    if (this.shape.isBuiltIn) this.loadDriver();
  }

  /** A unit that the TDX module refuses is passed over in silence. */
  loadDriver(refused: readonly string[] = []): boolean {
    if (this.load !== null) return false;
    this.loads += 1;
    this.load = this.#nextInode++;
    for (const unit of this.#parts.module.units) if (unit.isPresent.value && !refused.includes(unit.regBase)) this.#setUp(unit);
    const { load } = this;
    // The TSM comes when all units are set up.
    this.#parts.time.after(WORLD, this.shape.latencyMs, () => {
      if (this.load !== load) return;
      this.tsm = this.#nextInode++;
      this.#parts.host.wake();
    });
    return true;
  }

  unloadDriver(): boolean {
    if (this.load === null) return false;
    this.load = null;
    this.tsm = null;
    this.halved.clear();
    for (const unit of this.#parts.module.units) unit.trust.set(null, !this.#parts.host.isMute);
    this.#parts.host.wake();
    return true;
  }

  /** The unit goes, or one comes in its place, which no load that is there has set up. */
  replace(unit: ModuleUnit): void {
    this.incarnations.set(unit.regBase, this.#nextInode++);
    this.halved.delete(unit.regBase);
    unit.trust.set(null);
  }

  #setUp(unit: ModuleUnit): void {
    if (!unit.canConnect || unit.isForeign || this.#parts.host.ideOn(unit.regBase)) return;
    this.#setupBegins(unit.regBase);
    this.newest += 1;
    const named = this.#parts.host.unit(unit.regBase)?.kernelName ?? "";
    const text = this.shape.isNaming
      ? `DMAR: Trusted IOMMU for TEE initialized on ${named}`
      : `Trusted DMA for TEE/IO initialized, regbase ${unit.regBase}`;
    const line = logLineOf(text, { sequence: this.newest, seconds: this.#parts.time.nowMs / 1_000 });
    if (line !== null) this.lines.push(line);
    if (this.shape.isNaming) this.halved.add(unit.regBase);
    unit.span.set(`load ${this.load}`);
    unit.trust.set(`load ${this.load}`);
  }
}
