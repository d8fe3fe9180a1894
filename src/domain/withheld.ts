// SPDX-License-Identifier: Apache-2.0

import type { PciFunction } from "./device.ts";
import type { Verdict } from "./gate/inputs.ts";
import { type Ground, slotsOf } from "./ground.ts";
import { atMostThree, END_STREAM, isStreamOfNobody, releasable } from "./link-names.ts";
/** Devices that the spec wants and that stay withheld until a person acts. Pure. */
import { parted } from "./parted.ts";
import type { DeviceReason } from "./reason.ts";
import type { RegBase } from "./unit.ts";

/** For these the link's owner is named: one link may withhold many functions. */
const OF_A_LINK: ReadonlySet<DeviceReason> = new Set([
  "AuthenticationFailed",
  "DsmElsewhere",
  "LinkFailed",
  "LinkBroken",
  "LinkNotCovering",
  "LinkSecuredBeforeSetup",
]);

/** What is to be disconnected, which only a TSM can. */
const OF_A_STREAM: ReadonlySet<DeviceReason> = new Set(["LinkBroken", "LinkSecuredBeforeSetup"]);

/**
 * What a person can do about each reason. Null: an ordinary state of an ordinary node, which keeps nothing from being as intended.
 *
 * Ordinary are: what the spec or its author decides (NoIntent, NoResourceMatches, LedgerNotServed, NativeDriver, UnitNotSelected, IntentCleared); what a function
 * is and stays (NotTeeCapable, NoUnit, CarriesOthers: a match by vendor takes more functions than can be offered); what ends by itself (HeldUnderOtherName, HeldInOtherLedger, LedgerSwitching and NoStreamFree, when
 * a pod ends; DeviceMissing, when the function is back); another driver on the function (DriverChanging; NoVfioDevice: a match by vendor takes a GPU's audio
 * function, too); what is asked at a container's start or of a claim alone (GivenNodeChanged, NoStreamLeft, DeviceBusy, HeldByOrphan);
 * and what a condition of its own tells already (DriverUnreadable, CdiUnwritable, ProofUnwritable; AwaitingKubelet and AwaitingSlice: Ready, and RegistrationFailed; UnitNotTrusted: UnitsTrusted, and UnitFailed when
 * it is not just SETUP that runs).
 */
const ADVICE: Readonly<Record<Exclude<DeviceReason, "Offered">, string | null>> = {
  DeviceMissing: null,
  DeviceUnreachable: "it does not answer: look at its power, its slot and its firmware",
  NotTeeCapable: null,
  CapabilityUnknown: "its configuration space cannot be read",
  NoIntent: null,
  NoResourceMatches: null,
  LedgerNotServed: null,
  NativeDriver: null,
  NameServedByOther: "give the resource another name, or end the other device plugin",
  NoUnit: null,
  UnitUnreadable: "its iommu link cannot be followed",
  UnitNotSelected: null,
  IntentCleared: null,
  DriverUnreadable: null,
  LinkSecuredBeforeSetup: "release the link, it was secured before SETUP",
  UnitNotTrusted: null,
  LinkUnknown: "its IDE registers or tsm/connect cannot be read",
  DsmElsewhere: "disconnect the link, another function manages its security",
  CarriesOthers: null,
  StreamsShared: "put all devices below the host bridge into one ledger",
  NoStreamFree: null,
  NoTsm: "load a link TSM, or set spec.link.enable to Never",
  TsmAmbiguous: "leave one link TSM loaded, or set spec.link.enable to External",
  AuthenticationFailed: "the device did not prove what it is: look at its firmware and the TSM's log",
  LinkFailed: "its link cannot be secured: look at the message and the TSM's log",
  RepairBlocked: "end what has another function of the slot, its link must be connected again",
  LinkBroken: "disconnect the link, it was reset or lost",
  LinkNotCovering: "connect the link again, its stream does not cover virtual functions that were made later",
  LedgerSwitching: null,
  HeldInOtherLedger: null,
  OfferedByOther: "take the function out of this spec, or from the other DRA driver",
  DeviceBusy: null,
  HeldByOrphan: null,
  HeldByUnknown: "end the process or TD that has it, kubelet gives it to no pod",
  HeldByOtherLedger: "take the function out of this spec, or from the other device plugin or DRA driver that gave it to a pod",
  HeldAcrossTrustLoss: "end the pod, which has had it since before the present SETUP",
  HeldUnderOtherName: null,
  GivenNodeChanged: null,
  GroupNotOurs: "let a resource take all functions of its IOMMU group, or separate them",
  DriverChanging: null,
  BindStuck: "its driver does not let go of it: look at the kernel log and at what the driver waits for",
  DriverOverridden: "clear driver_override, or set driver.bind to Keep",
  HasVirtualFunctions: "set its sriov_numvfs to 0",
  InUseByHost: "end what uses it on the host",
  BindFailed: "it cannot be given vfio-pci: look at the message and the kernel log",
  CdiUnwritable: null,
  NoStreamLeft: null,
  LinkNotSecured: null,
  ProofUnwritable: null,
  AwaitingKubelet: null,
  AwaitingSlice: null,
  AgentStopped: null,
  NoVfioDevice: null,
};

export interface WithheldInputs {
  readonly verdicts: readonly Verdict[];
  readonly ground: Ground;
  readonly selected: ReadonlySet<RegBase>;
}

/**
 * One text for the condition, empty when a person need not act: each reason once, in the order of the list above, with at most three names. The same
 * devices give the same text.
 */
export function withheldText({ verdicts, ground, selected }: WithheldInputs): string {
  const byReason = new Map<DeviceReason, PciFunction[]>();
  for (const { address, reason, resource } of verdicts) {
    const fn = ground.functions.get(address);
    if (fn === undefined || resource === null || reason === "Offered" || !canBeActedOn(reason, fn) || !mayBeSelected(fn, selected)) continue;
    byReason.set(reason, [...(byReason.get(reason) ?? []), fn]);
  }
  return Object.entries(ADVICE)
    .flatMap(([key, advice]) => {
      const reason = key as DeviceReason; // A key of ADVICE.
      const isOfNobody = (fn: PciFunction): boolean => OF_A_STREAM.has(reason) && slotsOf(ground, [fn]).some(isStreamOfNobody);
      const [ofNobody, others] = parted(byReason.get(reason) ?? [], isOfNobody);
      const text = (fns: readonly PciFunction[], what: string | null): readonly string[] =>
        fns.length === 0 ? [] : [`${reason}: ${atMostThree(namesOf(reason, fns, ground))} (${what})`];
      return [...text(others, advice), ...text(ofNobody, END_STREAM)];
    })
    .join("; ");
}

/** No kernel covers a physical function but function 0. */
function canBeActedOn(reason: keyof typeof ADVICE, { functionType }: PciFunction): boolean {
  return ADVICE[reason] !== null && (reason !== "LinkNotCovering" || functionType === "Virtual");
}

function namesOf(reason: DeviceReason, fns: readonly PciFunction[], ground: Ground): readonly string[] {
  return OF_A_LINK.has(reason) ? releasable(slotsOf(ground, fns), ground.slots.values()) : fns.map((fn) => fn.address);
}

/** A function whose unit cannot be read may be below a selected one. */
function mayBeSelected({ unit }: PciFunction, selected: ReadonlySet<RegBase>): boolean {
  return unit.kind === "Unreadable" ? selected.size > 0 : unit.kind === "Unit" && selected.has(unit.regBase);
}
