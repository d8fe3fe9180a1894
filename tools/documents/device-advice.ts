// SPDX-License-Identifier: Apache-2.0

/** What an admin does about each reason of a device: a part of docs/reasons.md. A new reason does not compile without its advice. */
import type { DeviceReason } from "../../src/domain/reason.ts";
import { STREAM_OF_NOBODY } from "./stream-of-nobody.ts";

export const DEVICE_ADVICE: Readonly<Record<DeviceReason, string>> = {
  Offered: "nothing. The device is in kubelet's list and pods can ask for its resource.",
  DeviceMissing:
    "nothing if the device was removed on purpose. Otherwise look in the kernel log for a PCI error or a hot-unplug; the device is offered again " +
    "when it is back on the bus.",
  DeviceUnreachable:
    "look for a PCI error in the kernel log, and at the device's power and slot. A device in D3cold is woken before it is read, so this is not " +
    "sleep. It is offered again when it answers.",
  NotTeeCapable:
    "nothing, the hardware decides. If the device should be TEE-I/O capable, check its firmware settings: bit 30 of Device Capabilities " +
    "(`setpci -s ADDRESS CAP_EXP+4.l`) must be set. A virtual function inherits the bit from its physical function.",
  CapabilityUnknown:
    "give the agent CAP_SYS_ADMIN (the chart does): without it the kernel shows the first 64 bytes of configuration space only. If it has it, the " +
    "device does not answer; look in the kernel log.",
  NoIntent: "apply a `TrustedIommu` whose name is the node's name, or name one with `--manifest`.",
  NoResourceMatches: "add or widen a `match` in `spec.resources` if the device should be offered; otherwise nothing.",
  LedgerNotServed:
    "write `ledger: DevicePlugin` in the resource, or let the agent serve DRA (`--dra on`, chart value `dra.enabled`), see [dra.md](dra.md).",
  NativeDriver: "write `driver: {bind: Vfio}` (or `Keep`) in the resource if the device should be offered; otherwise nothing.",
  NameServedByOther:
    "give the resource another name in `spec.resources`, or remove the other device plugin from the node. The message says which ids show it.",
  NoUnit:
    "check that the IOMMU is on (`intel_iommu=on` on the kernel command line, VT-d in the firmware) and that the function has an `iommu` link below " +
    "`/sys/bus/pci/devices/ADDRESS`.",
  UnitUnreadable: "see the node's `otherUnits` in status: the register base of the unit above the device cannot be read. Look at `/sys/class/iommu`.",
  UnitNotSelected: "add the unit's register base to `spec.units.regBases`, or write `units: {all: true}`, if the device should be offered.",
  IntentCleared: "write `state: Trusted` if the device should be offered.",
  DriverUnreadable: "see the condition `Degraded`: the driver that issues SETUP cannot be asked. Check that `/dev/tdx_iommu` or `tdx_host` is there.",
  LinkSecuredBeforeSetup:
    "release the link (`echo TSM > tsm/disconnect` of the function that the message names, with the name that its `tsm/connect` shows). SETUP must " +
    `come before the link. ${STREAM_OF_NOBODY}`,
  UnitNotTrusted: "see the reason of the unit above it, which `trusted-iommu status` shows next to the device.",
  LinkUnknown:
    "give the agent CAP_SYS_ADMIN if it lacks it. If reading `tsm/` blocks, another process connects or disconnects a device: it is read again within " +
    "two seconds. If that goes on, look in the kernel log.",
  DsmElsewhere:
    "disconnect the link. The device has no device security manager of its own at function 0 (`cat tsm/dsm` of it names the one that was used), so " +
    "that its measurements cannot be told from another's.",
  CarriesOthers:
    "nothing if pods are to have the other functions of the slot, which usually are virtual ones. To give away function 0 instead, take the others out of " +
    "`spec.resources` (`functions: [Physical]`).",
  StreamsShared:
    "put all devices below the host bridge into one ledger: the scheduler gives the IDE streams of DRA's devices away, and knows nothing of those that a " +
    "device plugin's devices need.",
  NoStreamFree:
    "nothing: it is offered when a pod with another device below the same host bridge ends. `cat /sys/devices/pciDDDD:BB/available_secure_streams` shows how " +
    "many streams are left there; the message also counts the selective IDE blocks of the root port and of the device that are off.",
  NoTsm:
    "load a link TSM (`ls /sys/class/tsm` shows those that are there), or write `link: {enable: Never}` if devices are to be given away without a link. " +
    "No kernel has a link TSM for TDX Connect yet that works beside `tdx_iommu.ko`.",
  TsmAmbiguous:
    "unload all link TSMs but one, or write `link: {enable: External}` and let the program that knows which one to use write `tsm/connect`.",
  AuthenticationFailed:
    "look at the TSM's messages in the kernel log: the device's certificates or measurements were refused. Update the device's firmware or the TSM's " +
    "trust anchors. The agent tries again five minutes after the last attempt; other devices go on. A device of DRA keeps the taint `teeio.dev/link-failed` for ten " +
    "minutes, and twice as long after each failure that follows, up to six hours: to end it at once, plug the device in anew or load the TSM anew.",
  LinkFailed:
    "read the message: it has the kernel's error. `EROFS` or `EACCES when opening it`: give the agent a writable `/sys` (the chart's " +
    "`agent.devices.write`). `ENXIO`: the TSM does not take this device. Otherwise look in the kernel log.",
  RepairBlocked:
    "end what the message names: the link must be disconnected and connected again, which would take the device from whoever uses another function of it.",
  NoStreamLeft:
    "nothing at first: kubelet repeats the call, and the link is secured as soon as a stream is freed. The agent offers no more devices than streams are left, " +
    "so another program has taken one since (`ls -d /sys/devices/pci*/stream*` names the devices that have one): let it release what it does not need.",
  LinkNotSecured:
    "nothing at first: kubelet repeats the call, and the pod's event says how far it is. With `link: {enable: External}` see why the program that " +
    "secures links does not.",
  LinkBroken:
    "nothing where `spec.link.enable` is `OnPrepare`: the agent connects it again, or releases it. Otherwise disconnect the link (write the TSM's name to `tsm/disconnect`): a reset or a link error has ended the stream, and the kernel still calls it " +
    "connected. It can be connected again after that. " +
    STREAM_OF_NOBODY,
  LinkNotCovering:
    "disconnect the link and connect it again once the virtual functions are there (`sriov_numvfs` first). A physical function other than function 0 is " +
    "covered by no kernel: take it out of the spec's `match`, or do without the link.",
  HeldInOtherLedger: "end the pod that the message names: its device was given away in the ledger that the spec does not say any more.",
  LedgerSwitching:
    "nothing, it ends by itself: a device changes its ledger when the old one neither lists it nor has given it to a pod. The message says what is waited for; " +
    "end that pod, or delete that claim, to switch sooner.",
  OfferedByOther: "take the function out of this spec's `match`, or configure the other DRA driver to leave it alone.",
  DeviceBusy: "nothing, kubelet tries again: the claim that has the device ends with its pods.",
  HeldByOrphan:
    "end the process that the message names: it belongs to a pod that was deleted by force, and has the device still. Kubelet tries again until then.",
  HeldByUnknown:
    "end the process that has the vfio device open (`fuser -v /dev/vfio/devices/vfioN`), or shut down the TD that has the device. " +
    "Where the message says that it was given before kubelet started, wait: the device is offered again when the pod has ended.",
  HeldByOtherLedger: "take the function out of this spec's `match`, or out of the configuration of the other device plugin or DRA driver.",
  HeldAcrossTrustLoss: "delete the pod that the status names; its controller makes a new one. The device is offered again when it is free.",
  HeldUnderOtherName: "nothing: the device is offered under the new name when the pod ends. To speed it up, delete the pod.",
  GivenNodeChanged: "delete the pod: its container cannot start with the old device node, and a new pod gets the present one.",
  ProofUnwritable: "make the folder of the agent's lock writable (`/run/trusted-iommu` by default; see `--lock`) for root alone, with free space.",
  GroupNotOurs:
    "let a resource take the functions that the message names, too, so that one pod gets the whole group; or separate them (ACS in the firmware, another " +
    "slot). A group is given to one virtual machine as a whole.",
  DriverChanging: "nothing, it takes as long as the drivers do.",
  BindStuck:
    "look in the kernel log and at `/proc/PID/stack` of the process that the message names: the function's driver does not let go of it. Nothing can end " +
    "that process before the driver has.",
  DriverOverridden:
    "`echo > /sys/bus/pci/devices/ADDRESS/driver_override` if the override is not needed, or write `driver: {bind: Keep}` in the resource.",
  HasVirtualFunctions: "`echo 0 > /sys/bus/pci/devices/ADDRESS/sriov_numvfs`, or take the virtual functions into the resource instead.",
  InUseByHost:
    "end what the message names: unmount, `swapoff`, take the interface down, end the process. The agent never takes a device from the host.",
  BindFailed: "load the module vfio-pci if it is not there, and see what the message and the kernel log say. It is tried again every five minutes.",
  CdiUnwritable: "make the CDI folder writable (`/var/run/cdi` by default; see `--cdi-dir`), with free space.",
  AwaitingSlice:
    "wait a moment. If it lasts, the agent's log says why the API server refuses its ResourceSlices (rights, or an API server that has no DRA).",
  AgentStopped: "start the agent of this node again: `kubectl get pods -o wide` in the release's namespace shows where it is missing.",
  AwaitingKubelet: "nothing at first. If it stays, check that kubelet runs and that `--kubelet-dir` is its device-plugin folder.",
  NoVfioDevice:
    "write `driver: {bind: Vfio}` in the resource, and the agent binds the function to vfio-pci (in a cluster: chart value `agent.devices.write`); or bind it " +
    "yourself, for example with `driverctl set-override ADDRESS vfio-pci`. On a kernel with IOMMUFD device nodes (`CONFIG_VFIO_DEVICE_CDEV`) " +
    "`/dev/vfio/devices` then has a node for it.",
};
