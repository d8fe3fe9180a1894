// SPDX-License-Identifier: Apache-2.0

/** What the gate is asked, what its rules look at, and what it answers. */
import type { Address, PciFunction } from "../device.ts";
import type { UnitFact } from "../ground.ts";
import type { Hold } from "../holds.ts";
import type { Intent, ResourceRule } from "../intent.ts";
import type { Memory } from "../memory.ts";
import type { DeviceReason } from "../reason.ts";
import type { Slot } from "../slot.ts";
import type { RegBase } from "../unit.ts";

/**
 * What is asked for. List: may kubelet and container runtimes know of the device? Allocate: may it be given to a pod that kubelet counts as new?
 * PreStart: may a container start with what its pod was given before? Prepare: may it be given to the pods of the claim that it is allocated to?
 */
export type Purpose = "List" | "Allocate" | "PreStart" | "Prepare";

export interface GateInputs {
  readonly address: Address;
  readonly purpose: Purpose;
  readonly intent: Intent | null;
  /** Null: not on the bus now, or the host cannot be read. */
  readonly fn: PciFunction | null;
  /** The slot that it is on; null with `fn`. */
  readonly slot: Slot | null;
  /** Null: the driver cannot be read; the message says why. */
  readonly units: ReadonlyMap<RegBase, UnitFact> | null;
  readonly driverProblem: string;
  /** The start of kubelet that asks (Allocate, PreStart); null for a list and for a claim. */
  readonly kubelet: string | null;
  /** UID of the claim that asks (Prepare); null otherwise. */
  readonly claim: string | null;
  readonly memory: Pick<
    Memory,
    | "checkedLinks"
    | "verifying"
    | "holds"
    | "unknownHolders"
    | "specs"
    | "proofProblem"
    | "resources"
    | "taken"
    | "linkWork"
    | "linkTaints"
    | "carried"
    | "withoutStream"
    | "bindWork"
    | "foreignInGroup"
    | "isDraServed"
    | "inOtherLedger"
    | "offeredByOthers"
    | "streamsShared"
  >;
}

/** One rule of the gate, applied. */
export interface RuleResult {
  /** The reason with which a device is withheld when this rule fails. */
  readonly reason: Exclude<DeviceReason, "Offered">;
  readonly passed: boolean;
  /** The values the rule read, for `explain`. */
  readonly read: string;
}

export interface Verdict {
  readonly address: Address;
  readonly offered: boolean;
  readonly reason: DeviceReason;
  /** Empty when offered. */
  readonly message: string;
  /** The resource that takes the function, offered or not. */
  readonly resource: ResourceRule | null;
  /** Epoch of the unit above; null when it is not proven trusted. */
  readonly epoch: string | null;
  readonly rules: readonly RuleResult[];
}

/** What the rules look at: the inputs, and what follows from them. */
export interface Facts extends GateInputs {
  readonly resource: ResourceRule | null;
  readonly regBase: RegBase | null;
  readonly fact: UnitFact | null;
  readonly hold: Hold | null;
}

export interface Rule {
  readonly reason: Exclude<DeviceReason, "Offered">;
  passes(facts: Facts): boolean;
  read(facts: Facts): string;
}
