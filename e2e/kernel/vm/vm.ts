// SPDX-License-Identifier: Apache-2.0
// One virtual machine for a test: started, spoken to, ended.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Program, startProgram } from "../../cluster/program.ts";
import type { Kernel } from "../kit/kernels.ts";
import { bootRepeatedly, consoleOf, type Line, reach } from "./boot.ts";
import { type Contents, makeInitramfs } from "./initramfs.ts";
import { QMP_SOCKET, qemuCommand } from "./qemu.ts";
import { callQmp } from "./qmp.ts";
import type { Ended } from "./shell.ts";

export interface VmOptions {
  readonly chroot: string;
  readonly kernel: Kernel;
  readonly contents: Contents;
  readonly devices?: readonly string[];
  readonly memoryMb?: number;
  /** Further arguments of QEMU. */
  readonly more?: readonly string[];
  /** Further parameters of the kernel. */
  readonly parameters?: string;
  /** Where its sockets and logs are, and what it boots from; a folder of its own in the system's place for such, unless given. Removed in the end. */
  readonly folder?: string;
  /** The script that the VM begins with; the one that answers, unless given. */
  readonly init?: string;
  /** Starts QEMU; as a program of this process, unless given. What starts it must see this machine's files under the same paths. */
  readonly start?: (name: string, argv: readonly string[]) => Program;
}

export interface Vm {
  /** Runs lines of busybox sh as root; 60 s unless given. */
  try(commands: string, deadlineMs?: number): Promise<Ended>;
  /** The same. @throws when the exit code is not 0, with the output */
  run(commands: string, deadlineMs?: number): Promise<string>;
  /** What of the kernel's log nobody wants to see: warnings, stack traces, reports of its checkers. */
  complaints(): Promise<readonly string[]>;
  /** A command of QEMU's own, e.g. `device_del`. */
  qmp(command: string, args: Readonly<Record<string, unknown>>): Promise<void>;
  /** Cuts the power and gives it back: the same machine boots again, with its disks as they were. Returns when it answers. */
  reset(): Promise<void>;
  /** What the VM has written to its console. */
  console(): string;
  /** Ends it at once, as a power cut does. */
  stop(): Promise<void>;
}

const COMMAND_MS = 60_000;

/** Boots a VM and waits until it answers. @throws with the end of its console */
export async function startVm(options: VmOptions): Promise<Vm> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "trusted-iommu-vm-"));
  const { chroot, kernel, contents, devices = [], memoryMb = 1024, more = [], parameters = "", start = startHere(folder) } = options;
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const initramfs = await makeInitramfs(folder, { "bin/busybox": join(chroot, "usr/bin/busybox"), ...contents }, options.init);
    const argv = qemuCommand({ chroot, image: kernel.image, initramfs, devices, memoryMb, folder, more, parameters });
    const { line, program } = await bootRepeatedly(kernel, folder, () => start(`vm-${kernel.name}`, argv));
    const stop = async (): Promise<void> => {
      await program.stop("kill");
      removeFolder();
    };
    return vmOf({ line, program, folder, stop });
  } catch (cause) {
    removeFolder();
    throw cause;
  }
}

function startHere(folder: string): (name: string, argv: readonly string[]) => Program {
  return (name, argv) => startProgram({ name, argv, env: { PATH: "/usr/bin:/bin" }, logFile: join(folder, "qemu.log") });
}

interface Running {
  line: Line;
  readonly program: Program;
  readonly folder: string;
  readonly stop: () => Promise<void>;
}

function vmOf(running: Running): Vm {
  const { folder, program } = running;
  const qmp: Vm["qmp"] = (command, args) => callQmp(join(folder, QMP_SOCKET), command, args);
  const attempt = (commands: string, deadlineMs = COMMAND_MS): Promise<Ended> => running.line.shell.run(commands, deadlineMs);
  const run = async (commands: string, deadlineMs?: number): Promise<string> => {
    const { code, output } = await attempt(commands, deadlineMs);
    if (code !== 0) throw new Error(`in the VM: ${commands}: exit code ${code}\n${output}`);
    return output;
  };
  return {
    try: attempt,
    run,
    complaints: async () => complaintsIn(await run("dmesg")),
    qmp,
    async reset() {
      running.line.shell.close();
      // Before the reset: what the VM writes while nobody listens is lost.
      running.line = await reach(program, folder);
      // A guest that reboots by itself ends the VM, and only then.
      await qmp("set-action", { reboot: "reset" });
      await qmp("system_reset", {});
      await running.line.up();
      await qmp("set-action", { reboot: "shutdown" });
    },
    console: () => consoleOf(folder),
    stop: async () => {
      running.line.shell.close();
      await running.stop();
    },
  };
}

/** Loading an unsigned module from outside the tree is announced, and is what we do. */
const COMPLAINT =
  /WARNING:|BUG:|Oops|Call Trace|general protection|RIP:|refcount_t|possible circular|suspicious RCU|hung_task|blocked for more than|soft lockup|rcu_.*stall|KASAN|kmemleak|UBSAN/;

/** Those lines of a log, for one who has it from elsewhere. */
export function complaintsIn(log: string): readonly string[] {
  return log.split("\n").filter((line) => COMPLAINT.test(line));
}
