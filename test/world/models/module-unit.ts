// SPDX-License-Identifier: Apache-2.0
import type { LastCall, UnitState } from "../../../src/domain/unit.ts";
import { Fact } from "./fact.ts";
import type { WorldTime } from "./world-time.ts";

export interface UnitShape {
  readonly regBase: string;
  /** ECAP bit 50. */
  readonly canConnect: boolean;
  readonly isForeign: boolean;
}

/** What the TDX module itself holds of a unit. */
export type Phase = "None" | "Configuring" | "Configured" | "Clearing";

/** One unit in the module and in the driver's table. */
export class ModuleUnit {
  readonly regBase: string;
  readonly canConnect: boolean;
  readonly isForeignAtBoot: boolean;
  readonly isPresent: Fact<boolean>;
  /** Names the span of trust that goes on now; null when the unit is not trusted. */
  readonly trust: Fact<string | null>;
  /** The last span of trust, also while it is out of sight, and since when: a module that is out of reach for a moment ends none. */
  readonly span: Fact<string | null>;
  /** Id, state and last call as one value: how long the entry has been as it is. */
  readonly settled: Fact<string>;
  isForeign: boolean;
  phase: Phase = "None";
  state: UnitState = "Untrusted";
  id: bigint | null = null;
  seq = 0n;
  incarnation = 0;
  /** How often the module has interrupted itself for this unit. */
  interrupted = 0;
  /** The module may have taken pages of a SETUP that did not end well. */
  isTainted = false;
  isRetryable = false;
  lastCall: LastCall | null = null;
  retained = 0;

  constructor(time: WorldTime, shape: UnitShape) {
    this.regBase = shape.regBase;
    this.canConnect = shape.canConnect;
    this.isForeignAtBoot = shape.isForeign;
    this.isForeign = shape.isForeign;
    this.isPresent = new Fact(time, true);
    this.trust = new Fact<string | null>(time, null);
    this.span = new Fact<string | null>(time, null);
    this.settled = new Fact(time, "");
    this.forget();
  }

  /** As after a reset: no id, no history. */
  forget(phase: Phase = "None"): void {
    this.phase = phase;
    this.interrupted = 0;
    this.isTainted = false;
    this.isRetryable = false;
    this.state = this.#rest();
    this.id = null;
    this.lastCall = null;
  }

  identityChanged(now: { readonly environment: string; readonly incarnation: number }): void {
    if (this.state === "Trusted") this.state = "Unknown";
    if (now.environment !== "Ok") return;
    if (this.state === "Unsupported") this.state = this.#rest();
    if (this.incarnation !== now.incarnation) this.id = null;
  }

  /** Call after every change of the entry. */
  noteEntry(): void {
    this.settled.set(`${this.state} ${this.id} ${this.seq} ${this.lastCall?.leaf} ${this.lastCall?.status}`);
  }

  #rest(): UnitState {
    if (this.isForeign) return "Foreign";
    return this.canConnect ? "Untrusted" : "Unsupported";
  }
}

export function moduleUnit(time: WorldTime, shape: UnitShape): ModuleUnit {
  return new ModuleUnit(time, shape);
}
