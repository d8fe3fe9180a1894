// SPDX-License-Identifier: Apache-2.0

/** What DRA is to be told of this node's devices: one pool for each host bridge. Plain values; slices.ts makes API objects of them. */
import type { Address } from "../device.ts";

export interface Pool {
  /** names.ts `poolName`. */
  readonly name: string;
  /** In order of address. All functions of a slot stand next to each other, in one slice. */
  readonly devices: readonly PoolDevice[];
  /** Value of the counter of IDE streams; null: streams are not counted here, because no links are asked for or the number cannot be told. */
  readonly streams: number | null;
}

/** By name; one without a domain is the driver's own. */
export type DeviceAttributes = Readonly<Record<string, string | number | boolean>>;

export interface PoolDevice {
  readonly address: Address;
  /** Function 0 of its slot. */
  readonly owner: Address;
  readonly attributes: DeviceAttributes;
  /** IDE streams that it takes from the pool's counter. */
  readonly streams: 0 | 1;
  readonly taints: readonly DeviceTaint[];
  /** Its pod is bound to the node only after its link is secured (binding conditions). */
  readonly bindsWhenSecured: boolean;
}

export interface DeviceTaint {
  /** `teeio.dev/link-failed`, `teeio.dev/withheld`. */
  readonly key: string;
  readonly value: string;
  readonly effect: "NoSchedule" | "NoExecute";
  /** RFC 3339. The API server sets it anew at each write that leaves it out. */
  readonly timeAdded: string;
}
