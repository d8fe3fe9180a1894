// SPDX-License-Identifier: Apache-2.0

/** What an admin does about each reason of a condition: a part of docs/reasons.md. A new reason does not compile without its advice. */
import type { ConditionReason } from "../../src/domain/reason.ts";

const NOTHING = "nothing.";

export const CONDITION_REASON_ADVICE: Readonly<Record<ConditionReason, string>> = {
  TdxConnectPresent: NOTHING,
  TdxConnectMissing: "nothing: an ordinary host. Take it out of your node selector, or switch TDX Connect on in the firmware if the CPU has it.",
  NoUnits: "switch on VT-d in the firmware and `intel_iommu=on` on the kernel command line, if this host should have units.",
  UnitUnreadable: "see [UnitUnreadable](#other-unit-unitunreadable).",
  EnvironmentNotReady: "see the unit reason [EnvironmentNotReady](#unit-environmentnotready).",
  DriverUnreadable: "see the unit reason [DriverUnreadable](#unit-driverunreadable).",
  HostUnreadable: "see the unit reason [HostUnreadable](#unit-hostunreadable).",
  ObservationPending: "wait some seconds. If it stays, look at the agent's log.",
  AllTrusted: NOTHING,
  SomeNotTrusted: "see the reason of the unit that the message names.",
  NoneSelected: "apply a `TrustedIommu` for this node, or correct `spec.units`.",
  IntentCleared: "nothing, the spec says so.",
  SomeOffered: NOTHING,
  NoneOffered: "see the reasons of the devices: `trusted-iommu status --node NODE`.",
  AsIntended: NOTHING,
  NotYetAsIntended: "nothing at first. If it stays for minutes, the message names the unit or resource that it waits for.",
  NoProblem: NOTHING,
  UnitFailed: "see the reason of the unit that the message names.",
  PagesRetained: "nothing urgent: some pages of memory are lost until the host reboots. Reboot it when that suits you.",
  LinkSecuredBeforeSetup: "release the link of the function that the message names (`tsm/disconnect`).",
  DevicesWithheld: "do what the message says; each device reason in it has a section above.",
  LinkStuck:
    "look in the kernel log for the device that the message names. The write cannot be ended from outside; reboot the node if the device does not come back.",
  LinkSecuredOutside: "nothing if that software is meant to secure links. Otherwise end it, and release the link.",
  CdiStale: "make the CDI folder writable, or remove the specs that the message names by hand.",
  ProofUnwritable: "see the device reason [ProofUnwritable](#device-proofunwritable).",
  AuditUnwritable:
    "make the folder of `--audit` writable, with free space for ten files of 16 MiB, on a disk that answers; devices go on as before. The message says what failed.",
  CdiUnwritable: "see the device reason [CdiUnwritable](#device-cdiunwritable).",
  SlicesUnwritable:
    "look at the message: what it names of a pool that is withdrawn, rights on resourceslices that the chart's role gives, or an API server without `resource.k8s.io/v1` (Kubernetes before 1.34).",
  RegistrationFailed: "check that kubelet runs and that `--kubelet-dir` is its device-plugin folder. The message has kubelet's answer.",
  IntentInvalid: "correct the manifest or object: the message says the field, its value, and what to write instead.",
  DeviceInUse: "delete the pod, end the process, or shut down the TD that the message names.",
  ViewUnreadable: "make the view readable that the message names: kubelet's podresources socket, the node's pods, or the host's `/proc`.",
  Settling: "nothing: CLEAR follows when the settle period is over.",
  AgentStopped: "start the agent of this node again.",
  NothingToClear: NOTHING,
  DriverTooOld: "see the unit reason [DriverTooOld](#unit-drivertooold).",
};
