// SPDX-License-Identifier: Apache-2.0
/** Requirements of the machine: processor, kernel, VT-d, TDX module, the driver that issues SEAMCALLs, rights. Pure. */
import { ENVIRONMENT_TEXT } from "../../domain/plan/finding.ts";
import { ECAP_TDX_CONNECT } from "../../domain/unit.ts";
import type { PreflightReadings } from "./readings.ts";
import { found, type Judged, missing, named, notNeeded, type Requirement, unknown } from "./requirement.ts";

const SIMULATED = "a simulated host needs none";

export function requirementsOfMachine(readings: PreflightReadings): readonly Requirement[] {
  return [
    { name: "cpu", title: "CPU with TDX", ...cpu(readings) },
    { name: "kernel", title: "Linux kernel", ...kernel(readings) },
    { name: "iommufd", title: "IOMMUFD", ...iommufd(readings) },
    { name: "units", title: "VT-d units", ...units(readings) },
    { name: "driver", title: "Driver", ...driver(readings) },
    { name: "module", title: "TDX module", ...tdxModule(readings) },
    { name: "rights", title: "Rights", ...rights(readings) },
  ];
}

/** The flag that Linux shows on a machine whose firmware has switched TDX on (arch/x86/include/asm/cpufeatures.h). */
const TDX_HOST_FLAG = "tdx_host_platform";
const FIRMWARE = "switch TDX (with TME-MT and SEAM) on in the firmware of a machine whose processor has it";

function cpu({ simulated, architecture, cpu: reading, kernelRelease }: PreflightReadings): Judged {
  if (simulated) return notNeeded(SIMULATED);
  if (architecture !== "x64") return missing(`a processor of architecture ${architecture}`, "use a machine with Intel x86-64 processors");
  if (reading.kind !== "Value") return unknown("/proc/cpuinfo cannot be read", "name the host's root with --host-root, its /proc below it");
  const { vendor, flags } = reading.value;
  if (vendor !== "GenuineIntel") return missing(`a processor of ${vendor || "an unknown vendor"}`, "use a machine with Intel x86-64 processors");
  if (flags.has(TDX_HOST_FLAG)) return found("Intel x86-64, TDX is on (flag tdx_host_platform)");
  const text = `Intel x86-64, no flag ${TDX_HOST_FLAG} in /proc/cpuinfo`;
  if (!isSince(kernelRelease, FLAG_SINCE)) return unknown(text, "boot Linux 6.9 or later, which shows whether the firmware has switched TDX on");
  return missing(text, FIRMWARE);
}

/** Since when Linux shows TDX_HOST_FLAG. */
const FLAG_SINCE = [6, 9] as const;
/** VFIO devices with IOMMUFD nodes (CONFIG_VFIO_DEVICE_CDEV). */
const NODES_SINCE = [6, 6] as const;

function isSince(kernelRelease: string, [neededMajor, neededMinor]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = kernelRelease.split(/[.-]/).map(Number);
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}

function kernel({ simulated, kernelRelease }: PreflightReadings): Judged {
  if (simulated) return notNeeded(SIMULATED);
  return isSince(kernelRelease, NODES_SINCE)
    ? found(`Linux ${kernelRelease}`)
    : missing(`Linux ${kernelRelease}`, "boot Linux 6.6 or later: before it VFIO devices have no IOMMUFD nodes");
}

function iommufd({ iommufd: reading }: PreflightReadings): Judged {
  if (reading.kind === "Value") return found("/dev/iommu");
  if (reading.kind === "Unreadable") return unknown(`/dev/iommu: ${reading.why}`, "run this as root");
  return missing("no /dev/iommu", "modprobe iommufd, of a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV");
}

function units({ host }: PreflightReadings): Judged {
  if (host.kind !== "Value") return unknown(host.kind === "Unreadable" ? host.why : "no /sys", "name the host's root with --host-root");
  const all = host.value.units;
  if (all.length === 0) return missing("no VT-d unit", "switch VT-d on in the firmware, and boot with intel_iommu=on");
  const withConnect = all.filter(({ ecap }) => ecap !== null && (ecap & ECAP_TDX_CONNECT) !== 0n);
  const text = `${withConnect.length} of ${all.length} VT-d units have TDX Connect`;
  if (withConnect.length > 0) return found(text);
  const unread = all.filter(({ ecap }) => ecap === null);
  if (unread.length > 0) return unknown(`${text}; ${unread.length} cannot be read`, "boot a kernel that shows intel-iommu/ecap of its units");
  return missing(text, "switch TDX Connect (TEE-I/O) on in the firmware of a machine whose I/O has it");
}

const LOAD = "load this project's kernel module (modprobe tdx_iommu real_setup=1), or boot a kernel that owns TDX Connect and load its tdx_host";

function driver({ driver: reading }: PreflightReadings): Judged {
  if (reading.kind === "Missing") return missing("neither /dev/tdx_iommu nor a TSM of the kernel's tdx_host", LOAD);
  if (reading.kind === "Unreadable") return unknown(reading.why, "run this as root, beside the kernel module that is loaded");
  const { name, info } = reading.value;
  if (info.simulated) return found(`${name}: SEAMCALLs are simulated`);
  if (info.kernelOwned) return found(`${name}: the kernel sets up all units when it loads its driver`);
  return info.realSetup
    ? found(name)
    : missing(`${name}, loaded without real_setup=1: it refuses SETUP`, "modprobe -r tdx_iommu; modprobe tdx_iommu real_setup=1");
}

const TDX_CONNECT = 1n << 6n;

function tdxModule({ driver: reading, loadedModule }: PreflightReadings): Judged {
  const load = `${FIRMWARE}, with a TDX module that has TDX Connect; the kernel says what it found: dmesg | grep -i tdx`;
  if (reading.kind !== "Value") {
    const fix = "get a driver first: it reads what the TDX module can do";
    return unknown(loadedModule.kind === "Value" ? `TDX module ${loadedModule.value}, not known to have TDX Connect` : "no driver shows one", fix);
  }
  const { info } = reading.value;
  if (info.environment !== "Ok") return missing(ENVIRONMENT_TEXT[info.environment], load);
  const version = `TDX module ${info.module?.version ?? "of an unknown version"}`;
  // A kernel that owns SETUP does not show the module's features.
  if (info.features0 === null) return info.kernelOwned ? found(version) : unknown(`${version}; its features cannot be read`, load);
  return (info.features0 & TDX_CONNECT) === 0n ? missing(`${version} without TDX Connect`, load) : found(version);
}

/** capabilities(7), by bit: what opens the driver and configuration space, and what shows who has a device open. */
const NEEDED_RIGHTS = { CAP_SYS_ADMIN: 21n, CAP_SYS_PTRACE: 19n, CAP_DAC_OVERRIDE: 1n } as const;

function rights({ simulated, capabilities }: PreflightReadings): Judged {
  if (simulated) return notNeeded(SIMULATED);
  if (capabilities.kind !== "Value") return unknown("this process's capabilities cannot be read", "mount /proc");
  const lacking = Object.entries(NEEDED_RIGHTS).filter(([, bit]) => ((capabilities.value >> bit) & 1n) === 0n);
  const text = named(lacking.map(([name]) => name));
  return lacking.length === 0
    ? found(named(Object.keys(NEEDED_RIGHTS)))
    : missing(`without ${text}`, "run this as root, in a pod as a privileged container");
}
