// SPDX-License-Identifier: Apache-2.0

/** What the plan says of one unit, and what it says it by. */
import type { PciFunction } from "../device.ts";
import type { Ground, UnitFact } from "../ground.ts";
import type { HostUnit } from "../host.ts";
import type { Intent } from "../intent.ts";
import type { Memory } from "../memory.ts";
import type { UnitReason } from "../reason.ts";
import type { Slot } from "../slot.ts";
import type { Environment, RegBase } from "../unit.ts";
import type { BindVerdict } from "./bind-step.ts";
import type { LinkVerdict } from "./link-step.ts";

/** What is to be done. Keyed by what it is done to: a unit, by its register base. */
export type Step =
  | { readonly kind: "Setup"; readonly regBase: RegBase }
  | { readonly kind: "Clear"; readonly regBase: RegBase; readonly tdxIommuId: bigint; readonly setupSeq: bigint };

export interface UnitVerdict {
  readonly regBase: RegBase;
  readonly selected: boolean;
  readonly reason: UnitReason;
  readonly message: string;
  readonly step: Step | null;
  /** Monotonic ms at which time alone may change this verdict; null when only a change of the world can. */
  readonly wakeAtMs: number | null;
}

/** What is to be done now, or why nothing is: of every unit that the driver or the kernel lists, that was seen before, or that the intent names. */
export interface Plan {
  /** In order of address. */
  readonly units: readonly UnitVerdict[];
  /** Of the links that are this agent's to write. */
  readonly links: readonly LinkVerdict[];
  /** Of the functions that do not have the driver that the spec wants. */
  readonly binds: readonly BindVerdict[];
}

/** Every SEAMCALL of a plan, in the order in which they are issued. */
export function stepsOf({ units }: Pick<Plan, "units">): readonly Step[] {
  return units.flatMap(({ step }) => (step === null ? [] : [step]));
}

export interface PlanInputs {
  readonly intent: Intent | null;
  readonly ground: Ground;
  readonly memory: Memory;
}

/** What applies to one unit. */
export interface UnitFacts extends PlanInputs {
  readonly regBase: RegBase;
  readonly intent: Intent;
  readonly fact: UnitFact;
  readonly hostUnit: HostUnit | null;
  /** Functions that are, or may be, below the unit, and the slots that they are on. */
  readonly below: readonly PciFunction[];
  readonly slots: readonly Slot[];
}

export type Finding = Omit<UnitVerdict, "regBase" | "selected">;
export const because = (reason: UnitReason, message = ""): Finding => ({ reason, message, step: null, wakeAtMs: null });

export function environmentOf({ ground }: UnitFacts): Environment {
  return ground.view.driver.kind === "Read" ? ground.view.driver.value.info.environment : "NotReady";
}

/** What an environment other than Ok means, and what to do. */
export const ENVIRONMENT_TEXT: Readonly<Record<Environment, string>> = {
  Ok: "",
  Ud: "SEAMCALL raised #UD: this CPU is not in VMX operation (is kvm_intel loaded with tdx=1?)",
  Gp: "SEAMCALL raised #GP: TDX is not switched on in the firmware",
  VmFailInvalid: "SEAMCALL answered VMfailInvalid: no TDX module is loaded",
  NotReady: "the TDX module is not initialised",
  NotOptedIn: "TDX Connect was not opted in when the TDX module was configured (TDH.SYS.CONFIG)",
};
