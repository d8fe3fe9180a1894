// SPDX-License-Identifier: Apache-2.0

/** The one writer of PCI drivers: `driver_override`, a driver's `unbind` and the bus's `drivers_probe`. */
import type { BindEnd } from "../domain/binds/error.ts";
import type { BindTarget } from "../domain/binds/work.ts";
import type { Address } from "../domain/device.ts";

export interface BindChange {
  readonly address: Address;
  readonly to: BindTarget;
}

export interface BindPort {
  /**
   * Gives the function vfio-pci, or its own driver. Each step that is done already is repeated harmlessly. Resolves when the kernel has answered; an unbind
   * waits there until the driver lets go of the function. What has begun goes on when `signal` is aborted or this process ends: then the answer is
   * `Unanswered`, and what came of it is to be observed. Never rejects.
   *
   * @param onStart is told the pid of the process that writes
   */
  change(change: BindChange, signal: AbortSignal, onStart: (pid: number) => void): Promise<BindEnd>;
}
