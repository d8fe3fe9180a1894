// SPDX-License-Identifier: Apache-2.0
import type { BindChange } from "../../../src/bind/port.ts";
import type { BindEnd } from "../../../src/domain/binds/error.ts";
import { VFIO_PCI } from "../../../src/domain/binds/wish.ts";
import type { Witness } from "../life/witness.ts";
import type { HostFunction } from "./host-function.ts";
import type { HostModel } from "./host-model.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

/** How often a waiting unbind looks whether the driver has let go. */
const AGAIN_MS = 100;

export interface AskedBind<Process> {
  readonly process: Process;
  /** The helper is there: it dies with its process, but for what waits in the kernel. */
  readonly isAlive: () => boolean;
  readonly change: BindChange;
}

/**
 * The kernel's side of a change of driver. Its writes are three, and a helper that is killed between two of them leaves the function as it is then. The
 * kernel refuses nothing: not the driver of a disk that is mounted, nor that of a device that a guest has. It waits until vfio's holders have closed it.
 */
export class DriverWriter<Process> {
  readonly #time: WorldTime;
  readonly #host: HostModel;
  readonly #witness: () => Witness<Process>;
  /** What each write takes. */
  latencyMs = 0;
  /** Vfio-pci is loaded. */
  isVfioLoaded = true;
  /** Functions whose own driver does not let go. */
  readonly stubborn = new Set<string>();
  /** When a change of each function's driver last failed. */
  readonly failedMs = new Map<string, number>();
  #boot = 0;

  constructor(time: WorldTime, host: HostModel, witness: () => Witness<Process>) {
    this.#time = time;
    this.#host = host;
    this.#witness = witness;
  }

  reboot(): void {
    this.#boot += 1;
    this.stubborn.clear();
    for (const fn of this.#host.functions) fn.override.set("");
  }

  begin(asked: AskedBind<Process>, done: (end: BindEnd) => void): void {
    this.#witness().bindIssued(asked.process, asked.change);
    const fn = this.#host.find(asked.change.address);
    if (fn === null || !fn.isPresent.value) {
      done({ kind: "Refused", at: "driver_override", errno: "ENOENT" });
      return;
    }
    fn.override.set(asked.change.to === "Vfio" ? VFIO_PCI : "");
    this.#after(asked, () => this.#unbind(asked, fn, done));
  }

  #unbind(asked: AskedBind<Process>, fn: HostFunction, done: (end: BindEnd) => void): void {
    const isThere = asked.change.to === "Vfio" ? fn.isOnVfio.value : fn.isNative.value;
    if (!isThere) {
      // The driver is gone first, and then waits.
      this.#host.change(fn.isOnVfio, false, true);
      this.#host.change(fn.isNative, false, true);
      fn.isUsedByHost.set(false);
    }
    if (!isThere && (this.stubborn.has(fn.address) || fn.opens.value > 0)) {
      this.#time.after(
        WORLD,
        AGAIN_MS,
        this.#sameBoot(() => this.#unbind(asked, fn, done)),
      );
      return;
    }
    this.#after(asked, () => this.#probe(asked, fn, done));
  }

  #probe({ change: { to } }: AskedBind<Process>, fn: HostFunction, done: (end: BindEnd) => void): void {
    if (!fn.isPresent.value) {
      this.failedMs.set(fn.address, this.#time.nowMs);
      done({ kind: "Refused", at: "drivers_probe", errno: "ENODEV" });
      return;
    }
    if (to === "Vfio" && !this.isVfioLoaded) {
      this.failedMs.set(fn.address, this.#time.nowMs);
      done({ kind: "Refused", at: "driver", errno: "ENODEV" });
      return;
    }
    // Somebody may have bound it meanwhile: a probe looks for a driver only where there is none.
    const isBound = fn.isOnVfio.value || fn.isNative.value;
    if (!isBound && to === "Vfio") this.#host.bindVfio(fn);
    else if (!isBound) this.#host.change(fn.isNative, true, true);
    done({ kind: "Changed" });
  }

  #after(asked: AskedBind<Process>, go: () => void): void {
    const next = this.#sameBoot(() => {
      if (asked.isAlive()) go();
    });
    if (this.latencyMs === 0) next();
    else this.#time.after(WORLD, this.latencyMs, next);
  }

  #sameBoot(go: () => void): () => void {
    const boot = this.#boot;
    return () => {
      if (boot === this.#boot) go();
    };
  }
}
