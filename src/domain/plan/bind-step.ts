// SPDX-License-Identifier: Apache-2.0
import type { BindTarget } from "../binds/work.ts";
import type { Address } from "../device.ts";

/** A change of a driver that is to be made. */
export interface BindStep {
  readonly kind: "Bind";
  readonly address: Address;
  readonly to: BindTarget;
}

/** What is to be done about the driver of a function, or what that waits for. */
export interface BindVerdict {
  readonly address: Address;
  readonly step: BindStep | null;
  /** What keeps it from being done; empty: nothing, or the gate says it. */
  readonly message: string;
  /** Monotonic ms at which time alone may change this verdict. */
  readonly wakeAtMs: number | null;
}
