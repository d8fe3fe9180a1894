// SPDX-License-Identifier: Apache-2.0

/** One reading of the host: its units, its PCI functions and the slots that these are on, as plain values. */
import type { PciFunction } from "./device.ts";
import type { Slot } from "./slot.ts";
import type { RegBase } from "./unit.ts";

/** One unit as `/sys/class/iommu/dmarN` shows it. */
export interface HostUnit {
  readonly regBase: RegBase;
  /** `dmarN`: a label, never a key. */
  readonly kernelName: string;
  readonly cap: bigint | null;
  readonly ecap: bigint | null;
  readonly domainsSupported: number | null;
  readonly domainsUsed: number | null;
}

/** One reading of the host's tree. */
export interface HostView {
  readonly bootId: string | null;
  /** In address order of regBase. */
  readonly units: readonly HostUnit[];
  /** Units whose `address` could not be read: they can't be keyed, so nothing below them is offered. */
  readonly unreadableUnits: readonly { readonly kernelName: string; readonly why: string }[];
  /** IOMMUs that are no VT-d units (AMD `ivhd0`), by kernel name: they have no register base, and no TDX Connect. */
  readonly otherKinds: readonly string[];
  /** In order of address. */
  readonly functions: readonly PciFunction[];
  /** Of all functions, in the order of their first ones. */
  readonly slots: readonly Slot[];
}
