// SPDX-License-Identifier: Apache-2.0
// QEMU's command line: a q35 machine with one VT-d unit in scalable mode, without KVM. QEMU is the chroot's, run by the chroot's own loader.
import { join } from "node:path";

export interface QemuPlan {
  readonly chroot: string;
  readonly image: string;
  readonly initramfs: string;
  /** Values of `-device`, after the root ports' own. */
  readonly devices: readonly string[];
  readonly memoryMb: number;
  /** Sockets and logs. */
  readonly folder: string;
  /** Further arguments: disks, networks. */
  readonly more?: readonly string[];
  /** Further parameters of the kernel. */
  readonly parameters?: string;
}

export const SHELL_SOCKET = "shell.sock";
export const QMP_SOCKET = "qmp.sock";
export const CONSOLE_LOG = "console.log";

/** The whole command; it dies with the process that started it. */
export function qemuCommand(plan: QemuPlan): readonly string[] {
  const { chroot, folder } = plan;
  const library = join(chroot, "usr/lib/x86_64-linux-gnu");
  const loader = [join(chroot, "lib64/ld-linux-x86-64.so.2"), "--library-path", library, join(chroot, "usr/bin/qemu-system-x86_64")];
  const firmware = ["-L", join(chroot, "usr/share/qemu"), "-L", join(chroot, "usr/share/seabios")];
  const machine = [
    "-machine",
    "q35,kernel-irqchip=split",
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max,la57=off",
    "-smp",
    "2",
    "-m",
    `${plan.memoryMb}M`,
  ];
  const unit = ["-device", "intel-iommu,intremap=on,scalable-mode=on,fsts=on"];
  const kernel = [
    "-kernel",
    plan.image,
    "-initrd",
    plan.initramfs,
    "-append",
    // Emulated, the timer sometimes comes too late for the kernel's check of it, which panics.
    `console=ttyS0 intel_iommu=on,sm_on panic=-1 mitigations=off loglevel=5 no_timer_check ${plan.parameters ?? ""}`.trimEnd(),
  ];
  const ports = [`file:${join(folder, CONSOLE_LOG)}`, `unix:${join(folder, SHELL_SOCKET)},server=on,wait=off`].flatMap((port) => ["-serial", port]);
  const rest = [
    "-nodefaults",
    "-no-user-config",
    "-nographic",
    "-no-reboot",
    "-nic",
    "none",
    "-qmp",
    `unix:${join(folder, QMP_SOCKET)},server=on,wait=off`,
  ];
  return [
    ...["setpriv", "--pdeathsig", "KILL", ...loader],
    ...[...firmware, ...machine, ...unit, ...kernel, ...ports, ...rest],
    ...plan.devices.flatMap((device) => ["-device", device]),
    ...(plan.more ?? []),
  ];
}

/** Root ports `rp0`, `rp1`, ... each with one of these below it. */
export function behindPorts(devices: readonly string[]): readonly string[] {
  return devices.flatMap((device, index) => [`pcie-root-port,id=rp${index},bus=pcie.0,chassis=${index + 1}`, `${device},bus=rp${index}`]);
}
