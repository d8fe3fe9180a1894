// SPDX-License-Identifier: Apache-2.0

/** One opener of the model: its worker runs one operation after the other, INFO and LIST do not wait for it. */
import type { CallOutcome, DriverInfo, DriverTable, Leaf, RegBase } from "../../../src/domain/unit.ts";
import type { Clock, Timer } from "../../../src/runtime/clock.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { CallResult, ClearTarget, Deadline, SeamcallPort } from "../../../src/seamcall/port.ts";
import type { Answer, ModuleHalf } from "./module.ts";
import { NO_ENTROPY, RESUMABLE } from "./statuses.ts";
import { shown, type TableHalf, type TableUnit } from "./table.ts";

const ENTROPY_ATTEMPTS = 10;

/** What a handle needs of the host it is opened on. */
export interface ModelHost {
  readonly module: ModuleHalf;
  readonly table: TableHalf;
  readonly clock: Clock;
  info(): DriverInfo;
  list(): DriverTable;
  refresh(): void;
  beginSetup(regBase: RegBase): CallOutcome | null;
  beginClear(target: ClearTarget): void;
  delayMs(unit: TableUnit, leaf: Leaf): number;
  attempt(unit: TableUnit, leaf: Leaf): Answer;
  end(unit: TableUnit, answer: Answer): CallOutcome;
  changed(): void;
  listen(listener: () => void): () => void;
  left(handle: ModelHandle): void;
}

export class ModelHandle implements SeamcallPort {
  readonly driver = "simulated";
  readonly #model: ModelHost;
  readonly #writable: boolean;
  readonly #stops = new Set<() => void>();
  readonly #inFlight = new Set<(error: AppError) => void>();
  #queue: Promise<unknown>;
  #waiting: { readonly timer: Timer; readonly wake: () => void } | null = null;
  #closed = false;

  constructor(model: ModelHost, writable: boolean) {
    this.#model = model;
    this.#writable = writable;
    this.#queue = writable ? this.#resume() : Promise.resolve();
  }

  info(): Promise<DriverInfo> {
    return this.#answered(async () => this.#model.info());
  }

  list(): Promise<DriverTable> {
    return this.#answered(async () => this.#model.list());
  }

  setup(regBase: RegBase): Promise<CallResult> {
    return this.#ordered(async () => {
      const outcome = this.#model.beginSetup(regBase) ?? (await this.#run(this.#model.table.find(regBase)));
      return { outcome, unit: shown(this.#model.table.find(regBase)) };
    });
  }

  deadline(ms: number): Deadline {
    return nsOf(this.#model.clock.nowMs() + ms) as Deadline;
  }

  clear(target: ClearTarget, notAfter: Deadline): Promise<CallResult> {
    return this.#ordered(async () => {
      if (nsOf(this.#model.clock.nowMs()) > notAfter) throw new AppError("TOO_LATE", "its turn came too late");
      this.#model.beginClear(target);
      const unit = this.#model.table.find(target.regBase);
      return { outcome: await this.#run(unit), unit: shown(unit) };
    });
  }

  onChange(listener: () => void): () => void {
    const stop = this.#model.listen(listener);
    this.#stops.add(stop);
    return stop;
  }

  async close(): Promise<void> {
    this.drop();
    const closed = new AppError("DRIVER_CLOSED", "the driver was closed");
    for (const reject of this.#inFlight) reject(closed);
    this.#inFlight.clear();
  }

  /** As close, but nobody is told: the process is dead. */
  drop(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#stops) stop();
    this.#waiting?.timer.stop();
    this.#waiting?.wake();
    this.#model.left(this);
  }

  #ordered(work: () => Promise<CallResult>): Promise<CallResult> {
    return this.#answered(() => {
      const turn = this.#queue.then(() => {
        if (this.#closed) throw gone();
        if (!this.#writable) throw new AppError("DRIVER_FAILED", "opened for reading only");
        return work();
      });
      this.#queue = turn.then(nothing, nothing);
      return turn;
    });
  }

  #answered<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new AppError("DRIVER_CLOSED", "the driver was closed"));
    return new Promise<T>((resolve, reject) => {
      this.#inFlight.add(reject);
      const settle = (then: () => void): void => {
        // After the end nobody is there to be told; close has told whom it had to.
        if (this.#inFlight.delete(reject) && !this.#closed) then();
      };
      work().then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }

  async #resume(): Promise<void> {
    for (const unit of this.#model.table.units) {
      if (unit.operation !== null && !this.#closed) await this.#run(unit).then(nothing, nothing);
    }
  }

  /** The resume loop of one operation, which a boot or the unit's removal ends. */
  async #run(unit: TableUnit): Promise<CallOutcome> {
    const operation = unit.operation;
    let entropy = 0;
    for (;;) {
      if (operation === null || unit.operation !== operation) throw new AppError("BACKEND_GONE", "the host booted, or the unit was removed");
      await this.#wait(this.#model.delayMs(unit, operation.leaf));
      if (this.#closed) throw gone();
      if (unit.operation !== operation) throw new AppError("BACKEND_GONE", "the host booted, or the unit was removed");
      this.#refuseOtherModule(unit, operation.leaf);
      const answer = this.#model.attempt(unit, operation.leaf);
      this.#model.table.attempted(unit, answer);
      entropy = answer.status === NO_ENTROPY ? entropy + 1 : 0;
      if (answer.status === RESUMABLE || (entropy > 0 && entropy < ENTROPY_ATTEMPTS)) continue;
      return this.#model.end(unit, answer);
    }
  }

  /** An id must not be given to a module that did not make it. */
  #refuseOtherModule(unit: TableUnit, leaf: Leaf): void {
    if (leaf !== "TDH.IOMMU.CLEAR" || unit.idIncarnation === this.#model.module.incarnation) return;
    unit.operation = null;
    unit.state = "Unknown";
    this.#model.refresh();
    this.#model.changed();
    throw new AppError("STALE_ID", "the module is another one");
  }

  #wait(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting = null;
        resolve();
      };
      this.#waiting = { timer: this.#model.clock.after(ms, wake), wake };
    });
  }
}

function nsOf(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000_000));
}

function gone(): AppError {
  return new AppError("DRIVER_CLOSED", "the driver was closed");
}

/** What follows does so whatever became of what went before; who asked for that has been told. */
function nothing(): undefined {
  return undefined;
}
