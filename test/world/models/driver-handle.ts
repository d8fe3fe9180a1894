// SPDX-License-Identifier: Apache-2.0
import type { DriverInfo, DriverTable } from "../../../src/domain/unit.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { CallResult, ClearTarget, Deadline, Driver, SeamcallPort } from "../../../src/seamcall/port.ts";
import type { Surroundings } from "../life/surroundings.ts";
import type { Turnstile } from "../life/turnstile.ts";
import { type ModuleModel, nsOf, type Ticket } from "./module-model.ts";
import { CLEAR_LEAF, SETUP_LEAF } from "./module-status.ts";

export interface DriverHandleParts<Process> {
  readonly process: Process;
  readonly module: ModuleModel;
  readonly turnstile: Turnstile;
  readonly world: Pick<Surroundings<Process>, "shape" | "time" | "witness" | "writer" | "isDriverReadable">;
}

/** One open of the driver by one process. */
export class DriverHandle<Process extends { readonly number: number }> implements SeamcallPort {
  readonly driver: Driver;
  readonly #parts: DriverHandleParts<Process>;
  /** The driver that was opened: a driver loaded later does not know this handle. */
  readonly #instance: string;
  readonly #inFlight = new Set<(error: AppError) => void>();
  /** Units whose CLEAR this process has asked for and has no answer to. */
  readonly clearing = new Set<string>();
  #isClosed = false;

  constructor(parts: DriverHandleParts<Process>) {
    this.#parts = parts;
    this.#instance = parts.module.instance;
    this.driver = parts.world.shape.isSimulated ? "simulated" : "tdx_iommu";
  }

  info(): Promise<DriverInfo> {
    return this.#pass("seamcall.info", () => this.#parts.module.info());
  }

  list(): Promise<DriverTable> {
    return this.#pass("seamcall.list", () => this.#parts.module.list());
  }

  setup(regBase: string): Promise<CallResult> {
    const { process, world } = this.#parts;
    world.witness.setupIssued(process, regBase);
    return this.#call("seamcall.setup", regBase, { target: null, notAfter: null });
  }

  deadline(ms: number): Deadline {
    return nsOf(this.#parts.world.time.nowMs + ms) as Deadline;
  }

  clear(target: ClearTarget, notAfter: Deadline): Promise<CallResult> {
    const { process, world } = this.#parts;
    world.witness.clearIssued(process, target);
    this.clearing.add(target.regBase);
    return this.#call("seamcall.clear", target.regBase, { target, notAfter }).finally(() => this.clearing.delete(target.regBase));
  }

  onChange(listener: () => void): () => void {
    return this.#parts.module.listen(this.#parts.process.number, listener);
  }

  close(): Promise<void> {
    const { process, turnstile, world } = this.#parts;
    this.#isClosed = true;
    for (const reject of [...this.#inFlight]) reject(new AppError("DRIVER_CLOSED", "the handle was closed"));
    return turnstile.pass(process.number, "seamcall.close", () => {
      if (world.writer.value === process.number) world.writer.value = null;
    });
  }

  #pass<T>(point: "seamcall.info" | "seamcall.list", act: () => T): Promise<T> {
    return this.#parts.turnstile.pass(this.#parts.process.number, point, () => {
      this.#check();
      return act();
    });
  }

  #check(): void {
    if (this.#isClosed) throw new AppError("DRIVER_CLOSED", "the handle was closed");
    if (this.#parts.module.instance !== this.#instance) throw new AppError("BACKEND_GONE", "the driver was loaded anew");
    if (!this.#parts.world.isDriverReadable.value) throw new AppError("DRIVER_FAILED", "EIO");
  }

  #call(point: "seamcall.setup" | "seamcall.clear", regBase: string, asked: Pick<Ticket, "target" | "notAfter">): Promise<CallResult> {
    const { process, module, turnstile, world } = this.#parts;
    const { target } = asked;
    return new Promise((resolve, reject) => {
      this.#inFlight.add(reject);
      const done = (answer: CallResult | AppError): void => {
        void turnstile
          .pass(process.number, `${point}.answer`, () => answer)
          .then((given) => {
            this.#inFlight.delete(reject);
            if (given instanceof AppError) reject(given);
            else resolve(given);
          });
      };
      turnstile
        .pass(process.number, point, () => {
          this.#check();
          const { witness } = world;
          const begins = (): void => (target ? witness.clearBegins(process, target) : witness.setupBegins(process, regBase));
          if (asked.notAfter !== null && !module.info().honoursNotAfter) throw new AppError("DRIVER_TOO_OLD", "E2BIG");
          module.submit({ leaf: target ? CLEAR_LEAF : SETUP_LEAF, regBase, ...asked, process: process.number, begins, done });
        })
        .catch(reject);
    });
  }
}
