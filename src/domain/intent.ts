// SPDX-License-Identifier: Apache-2.0
import type { Address, FunctionType } from "./device.ts";
import type { RegBase } from "./unit.ts";

export const DESIRED_STATES = ["Trusted", "Cleared"] as const;
/** What every selected unit should be. */
export type DesiredState = (typeof DESIRED_STATES)[number];

export const LEDGERS = ["DevicePlugin", "DRA"] as const;
/** Who keeps count of a resource's devices: kubelet's device plugins, or DRA. One ledger per device (I7). */
export type Ledger = (typeof LEDGERS)[number];

export const LINK_ENABLES = ["OnPrepare", "External", "Never"] as const;
/** Who secures the links of devices that are given away. OnPrepare: this agent. External: another program, and it is waited for. Never: nobody asks. */
export type LinkEnable = (typeof LINK_ENABLES)[number];

export const DRIVER_BINDS = ["Keep", "Vfio", "Native"] as const;
/** Which driver a resource's functions should have. Keep: the one they have. Vfio: vfio-pci. Native: the function's own, so that it is not offered. */
export type DriverBind = (typeof DRIVER_BINDS)[number];

/** Which functions a resource takes. Each list that is present must contain the function's value; at least one list is present. */
export interface Match {
  /** Four lower-case hex digits. */
  readonly vendors?: readonly string[] | undefined;
  /** PCI device ids, four lower-case hex digits. */
  readonly devices?: readonly string[] | undefined;
  /** Two (base class) or four (with sub-class) lower-case hex digits. */
  readonly classes?: readonly string[] | undefined;
  readonly addresses?: readonly Address[] | undefined;
  readonly functions?: readonly FunctionType[] | undefined;
}

export interface ResourceRule {
  /** Extended resource name and CDI kind, `domain/name`. */
  readonly name: string;
  readonly ledger: Ledger;
  readonly driver: { readonly bind: DriverBind };
  readonly match: Match;
}

/**
 * `{all: true}` or a list of register bases, in canonical form (parseRegBase) once parsed. Neither: no unit is selected, because what the object
 * says of units cannot be read.
 */
export interface UnitSelection {
  readonly all?: boolean | undefined;
  readonly regBases?: readonly RegBase[] | undefined;
}

/** The spec of a TrustedIommu: what the admin wants of one node. */
export interface Intent {
  readonly state: DesiredState;
  readonly units: UnitSelection;
  /** First match wins. */
  readonly resources: readonly ResourceRule[];
  readonly link: { readonly enable: LinkEnable };
}

/** True when the intent selects this unit. */
export function selectsUnit(intent: Intent, regBase: RegBase): boolean {
  return intent.units.all === true || (intent.units.regBases ?? []).includes(regBase);
}
