// SPDX-License-Identifier: Apache-2.0

/** What an admin does about each reason of a unit: a part of docs/reasons.md. A new reason does not compile without its advice. */
import type { OtherUnitReason, UnitReason } from "../../src/domain/reason.ts";
import { STREAM_OF_NOBODY } from "./stream-of-nobody.ts";

const BY_ITSELF = "nothing: it goes on by itself.";
const LOOK_AT_CALL = "look at the unit's `lastCall` in the status (name and operand of the answer) and at the kernel log.";

export const UNIT_ADVICE: Readonly<Record<UnitReason, string>> = {
  SetupSucceeded: "nothing. With the driver `tdx_host` the message lists the evidence.",
  SetupPending: BY_ITSELF,
  SetupRunning: BY_ITSELF,
  SetupRetrying:
    "nothing at first: it is repeated after 0.25 s to 30 s, or every 10 s where the host must change first. If it stays for minutes, the message names " +
    "the answer. `TDX_IOMMU_RP_IDE_MUST_BE_DISABLED` asks to switch off IDE on the root ports below the unit.",
  SetupFailed: `${LOOK_AT_CALL} SETUP is not repeated until the driver is loaded again or the host reboots.`,
  NotSelected: "add the unit to `spec.units.regBases` if it should be trusted; otherwise nothing.",
  TdxConnectMissing: "nothing, the hardware decides. On a CPU with TDX Connect, check that the firmware has it switched on.",
  RejectedByModule: "nothing: the TDX module does not take this unit. A newer TDX module may.",
  LinkSecuredBeforeSetup: `release the link of the function that the message names (\`tsm/disconnect\`). SETUP is issued within 5 s after that. ${STREAM_OF_NOBODY}`,
  LinkUnknown: "see the device reason [LinkUnknown](#device-linkunknown): the message names the functions that cannot be read.",
  DomainIdsInUse:
    "use fewer IOMMU domains below this unit (fewer devices with a domain of their own), or a kernel that owns TDX Connect and reserves the ids itself.",
  EnvironmentNotReady:
    "do what the message says: load `kvm_intel` with `tdx=1`, switch on TDX in the firmware, or use a kernel that opts in to TDX Connect.",
  RealSetupDisabled: "load the kernel module with `real_setup=1` after reading [its README](../native/README.md): real SETUP is experimental.",
  DriverUnreadable: "check that the driver is loaded and that the agent may open it (`/dev/tdx_iommu`, CAP_SYS_ADMIN). The message says what failed.",
  HostUnreadable: "check that `/sys` and `/proc` of the host are mounted where `--host-root` says. The message names the file.",
  UnitMissing:
    "correct the register base in `spec.units.regBases`, or find out why the unit has gone (a hot-removed I/O board, another firmware setting).",
  NotListedByDriver: "load the driver again, so that it reads ACPI's DMAR table anew; a unit that was hot-added is not seen by it.",
  ForeignOwner: "find out which software set the unit up. The agent never touches it; a reboot gives it back.",
  EvidenceIncomplete: "read the evidence in the message. Usually `tdx_host` refused the unit: the kernel log says why.",
  LoadNotWatched: "when no pod uses a device, unload `tdx_host` and load it again while the agent runs.",
  KernelOwned: "load or unload `tdx_host` as the message says. Its devices cannot be bound one by one, so it is all units or none.",
  TrustLost: "nothing where the agent can clear and set up the unit again, which it does by itself. Otherwise the message says what TDX lacks.",
  ClearPending: BY_ITSELF,
  ClearSettling: BY_ITSELF,
  ClearBlocked: "delete the pod, end the process, or shut down the TD that the message names. If it says *cannot read*, make that view readable.",
  ClearRunning: BY_ITSELF,
  ClearRetrying: "nothing at first: it is repeated. If it stays for minutes, the message names the answer of the TDX module.",
  ClearFailed: `${LOOK_AT_CALL} The unit keeps its id and its pages; a reboot gives both back.`,
  DriverTooOld: "load the installed version of the kernel module. It cannot be unloaded while a unit is trusted, so reboot the node.",
  Cleared: "nothing.",
};

export const OTHER_UNIT_ADVICE: Readonly<Record<OtherUnitReason, string>> = {
  UnitUnreadable: "look at `/sys/class/iommu/NAME/intel-iommu/address`: the agent must be able to read it. No unit is cleared while it cannot.",
  OtherKind: "nothing: it is an IOMMU of another kind.",
};
