// SPDX-License-Identifier: Apache-2.0

/** Why a unit is in its state. Closed list: status, metrics and docs use these words only. */
export const UNIT_REASONS = {
  SetupSucceeded: "TDH.IOMMU.SETUP succeeded; the driver reports the unit trusted now",
  SetupPending: "SETUP is planned and has not been issued yet",
  SetupRunning: "SETUP is running",
  SetupRetrying: "SETUP answered busy, out of entropy, timed out or without memory; it is repeated with the same pages",
  SetupFailed: "SETUP failed; the status says why",
  NotSelected: "no intent selects this unit: it is left as it is",
  TdxConnectMissing: "ECAP bit 50 is clear: this unit has no TDX Connect",
  RejectedByModule: "the TDX module does not support this unit (OPERAND_INVALID on RCX)",
  LinkSecuredBeforeSetup: "a link below the unit was secured before SETUP; release it first",
  LinkUnknown: "the state of a link below the unit cannot be read, so SETUP is not issued",
  DomainIdsInUse: "a quarter or more of the unit's domain ids are in use and the kernel cannot reserve the upper half",
  EnvironmentNotReady: "TDX cannot be called on this host; lastCall or tdxModule.environment says how",
  RealSetupDisabled: "the kernel module was loaded without the right to issue real SETUP",
  DriverUnreadable: "the driver cannot be read, so nothing is known to be trusted",
  HostUnreadable: "the host's files cannot be read, so nothing is known to be trusted",
  UnitMissing: "the unit is named by the intent or was seen before, and is not there now",
  NotListedByDriver: "the kernel lists the unit and the driver does not",
  ForeignOwner: "the unit is in TDX mode without an id of ours: it is never touched",
  EvidenceIncomplete: "the kernel owns SETUP, and what it shows does not prove the unit trusted; the message lists what was found",
  LoadNotWatched: "the kernel owns SETUP, and its line about the unit may be of an earlier load of its driver; the message says what to do",
  KernelOwned: "the kernel's own driver sets up and clears all units together; the message says what to do",
  TrustLost: "the driver no longer proves the unit trusted",
  ClearPending: "the intent is Cleared; devices are being withdrawn",
  ClearSettling: "every view shows the devices free; waiting out the settling time",
  ClearBlocked: "a device below the unit is in use or cannot be read; the message names it",
  ClearRunning: "CLEAR is running",
  ClearRetrying: "CLEAR answered busy or timed out, or its turn came too late; it is repeated",
  ClearFailed: "CLEAR failed; id and pages stay with the unit",
  DriverTooOld: "the loaded driver cannot be told until when a CLEAR may begin, so none is issued; the message says what to load",
  Cleared: "the unit is untrusted, as the intent says",
} as const;
export type UnitReason = keyof typeof UNIT_REASONS;

/** Why an IOMMU of the host is none of the units. */
export const OTHER_UNIT_REASONS = {
  UnitUnreadable: "a VT-d unit whose register base cannot be read: nothing below it is offered, and no unit is cleared while it may be below any",
  OtherKind: "no VT-d unit: it has no TDX Connect",
} as const;
export type OtherUnitReason = keyof typeof OTHER_UNIT_REASONS;

/** Why a device is offered or withheld. In the order in which the gate tests. */
export const DEVICE_REASONS = {
  Offered: "every rule of the gate holds",
  DeviceMissing: "the function is not on the bus now",
  DeviceUnreachable: "the function, or function 0 of its slot, does not answer: its configuration space reads as all ones after it was woken",
  NotTeeCapable: "no TEE-I/O: no PCI Express function of a type that a TSM connects, or DEVCAP bit 30 is clear",
  CapabilityUnknown: "configuration space could not be read far enough to tell TEE-I/O",
  NoIntent: "no TrustedIommu applies to this node",
  NoResourceMatches: "no resource of the intent matches the function",
  LedgerNotServed: "the resource's ledger is DRA, which this agent does not serve: it has no API server, or was not told to (--dra)",
  NativeDriver: "the spec gives the function to its own driver (driver.bind Native): it is not offered, and gets that driver when nobody uses it",
  NameServedByOther: "another device plugin serves the resource name on this node, so it is not registered over it; the message says what shows it",
  NoUnit: "the kernel puts the function behind no unit",
  UnitUnreadable: "the function's unit cannot be read",
  UnitNotSelected: "the intent does not select the function's unit",
  IntentCleared: "the intent is Cleared",
  DriverUnreadable: "the driver cannot be read, so no unit is known to be trusted",
  LinkSecuredBeforeSetup: "the function's link was secured before SETUP of its unit",
  UnitNotTrusted: "the unit above the function is not trusted; the message says its state",
  LinkUnknown: "the state of the function's link cannot be read",
  DsmElsewhere: "the link's security is managed by another function than function 0 of the slot (tsm/dsm): the session is not with the device",
  CarriesOthers:
    "links are asked for, and other functions of the slot may be given to pods: whoever opens function 0 resets the link of all; take it or them out of the resources",
  StreamsShared:
    "DRA's devices below the same host bridge may be given the IDE streams that are left, and there are fewer than slots; put all devices of the bridge into one ledger",
  NoStreamFree:
    "links are asked for, and the IDE streams that its host bridge, its root port or itself has left are for other devices or none; it is offered when one is free",
  NoTsm: "the spec says that this agent secures links, and no link TSM is on the host (/sys/class/tsm): load one, or set spec.link.enable to Never",
  TsmAmbiguous:
    "the spec says that this agent secures links, and the host has several link TSMs: leave one loaded, or set spec.link.enable to External",
  AuthenticationFailed:
    "the device did not prove what it is when its link was to be secured; it is tried again after five minutes, for a new claim (DRA) after ten and then twice as long each time",
  LinkFailed:
    "the device's link could not be secured or released, three times; the message has the error; it is tried again, for a new claim (DRA) after ten minutes and then twice as long each time",
  RepairBlocked:
    "the link was lost or does not cover the device, and cannot be connected again while another function of the slot is in use; the message names who has it",
  LinkBroken:
    "a TSM is connected or a stream is on, but no stream that the kernel names reads secure at both ends: the link was reset or lost; disconnect it where a TSM is connected",
  LinkNotCovering:
    "the link is secured, and its stream does not cover the function: a kernel has function 0 and the virtual functions that are there when it connects; connect it again for others",
  HeldInOtherLedger: "a pod was given the device in the ledger that the spec does not say any more; it is offered again when free",
  LedgerSwitching: "the ledger that the spec does not say has the device still; the message says what of it; it is offered when that has let go",
  OfferedByOther: "another DRA driver lists the same function of this node; the message names it; let only one of them have it",
  DeviceBusy: "another claim has the device, and is not unprepared yet; kubelet tries again",
  HeldByOrphan: "the claim that had the device has ended, and a process or a TD of it has it still; kubelet tries again",
  HeldByUnknown: "a process, a TD or an earlier pod has the device, and kubelet gives it to no pod; it is offered again when free",
  HeldByOtherLedger: "a pod has been given the function by another device plugin or a DRA driver; the message names both",
  HeldAcrossTrustLoss: "a pod has held the device since before its unit's present SETUP; it is offered again when free",
  HeldUnderOtherName: "a pod holds the device under another resource name; it is offered under this one when free",
  GivenNodeChanged: "the device has another vfio device node than the one that its pod was given; the pod must be made anew",
  GroupNotOurs:
    "functions that no resource takes are in its IOMMU group, which is given to a virtual machine as a whole; let a resource take them, too, or separate them",
  DriverChanging: "its driver is being changed, as driver.bind says",
  BindStuck: "its driver has not let go of it for 20 s; the message names the process that waits in the kernel",
  DriverOverridden: "driver.bind is Vfio, and somebody else has set driver_override; clear it, or set driver.bind to Keep",
  HasVirtualFunctions: "driver.bind is Vfio, and the function has virtual functions, which would end with its driver; set sriov_numvfs to 0",
  InUseByHost: "driver.bind is Vfio, and the host uses the function; the message names what does",
  BindFailed: "driver.bind is Vfio, and vfio-pci could not be given the function, three times; the message says why; it is tried again",
  NoStreamLeft:
    "a container is to start with the device, and no IDE stream is left for its link at the host bridge, the root port or the device; kubelet tries again, and it is secured when one is freed",
  LinkNotSecured: "a container is to start with the device, and its link is not secured yet; kubelet tries again",
  ProofUnwritable: "what was given to whom cannot be written down, so that a restart would not know it; the message says why",
  CdiUnwritable: "the device's CDI spec cannot be written, so a container runtime could not resolve it",
  AwaitingKubelet: "every rule of the gate holds, and kubelet does not list the device yet",
  AwaitingSlice: "every rule of the gate holds, and no ResourceSlice of the API server lists the device yet",
  AgentStopped: "the agent of this node has stopped: nothing is offered until it is back",
  NoVfioDevice: "the function is not bound to vfio-pci with an IOMMUFD device node",
} as const;
export type DeviceReason = keyof typeof DEVICE_REASONS;

/** Types of conditions on a TrustedIommu. */
export const CONDITION_TYPES = ["Supported", "UnitsTrusted", "DevicesOffered", "Ready", "Degraded", "ClearBlocked"] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

/** Reasons of conditions. */
export const CONDITION_REASONS = {
  TdxConnectPresent: "at least one unit has TDX Connect and the TDX module answers",
  TdxConnectMissing: "no unit of this host has TDX Connect",
  NoUnits: "the kernel lists no VT-d unit (is intel_iommu on?)",
  UnitUnreadable: "a VT-d unit cannot be told by its register base; the message names it",
  EnvironmentNotReady: "TDX cannot be called on this host",
  DriverUnreadable: "the driver cannot be read",
  HostUnreadable: "the host's files cannot be read",
  ObservationPending: "the first observation is not finished",
  AllTrusted: "every selected unit that has TDX Connect is trusted",
  SomeNotTrusted: "a selected unit is not trusted; the message names it",
  NoneSelected: "the intent selects no unit of this host",
  IntentCleared: "the intent is Cleared",
  SomeOffered: "at least one device is offered",
  NoneOffered: "no device is offered; the devices say why",
  AsIntended: "units and devices are as the intent says",
  NotYetAsIntended: "work is going on or held back; the other conditions say why",
  NoProblem: "nothing is wrong",
  UnitFailed: "a unit failed or was lost",
  PagesRetained: "pages that no id holds may still be the TDX module's; they are lost until the host reboots",
  LinkSecuredBeforeSetup: "a link was secured before SETUP of a selected unit, which is not issued until it is released",
  DevicesWithheld: "devices that the spec wants are withheld until a person acts; the message says why, which, and what to do",
  LinkSecuredOutside: "a link was secured by another program after SETUP, and nobody uses a function of its slot",
  LinkStuck: "a device has not answered for ten minutes while its link is secured or released: no other link of the node can be written",
  CdiStale: "CDI specs of devices that are withheld cannot be removed: a container runtime would still resolve them",
  ProofUnwritable: "the proof file cannot be written, so no device is handed out",
  AuditUnwritable: "the audit log cannot be written, or its disk is slow: the order of what happens now cannot be proven later",
  CdiUnwritable: "CDI specs cannot be written; what has no spec yet is withheld",
  RegistrationFailed: "a resource, or the DRA driver, could not be registered with kubelet",
  SlicesUnwritable:
    "ResourceSlices of this node are not as they should be: the API server refuses them, cannot be asked for them, or a pool would be invalid and is withdrawn whole",
  IntentInvalid: "the newest manifest or resource is invalid; the last good one is in force, unless the new one says Cleared",
  DeviceInUse: "a device below a unit to clear is in use; the message names the holder",
  ViewUnreadable: "a view that must show who holds the devices cannot be read",
  Settling: "all views show the devices free; the settling time runs",
  AgentStopped: "the agent of this node has stopped; units stay as they are, nothing is offered",
  NothingToClear: "no unit waits to be cleared",
  DriverTooOld: "the loaded driver is older than this agent, and a unit cannot be cleared with it; the message says what to load",
} as const;
export type ConditionReason = keyof typeof CONDITION_REASONS;
