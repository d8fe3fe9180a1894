// SPDX-License-Identifier: Apache-2.0
// One virtual machine for a test: started, spoken to, ended.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Program, startProgram, tailOf } from "../../cluster/program.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import type { Kernel } from "../kit/kernels.ts";
import { type Contents, makeInitramfs } from "./initramfs.ts";
import { CONSOLE_LOG, QMP_SOCKET, qemuCommand, SHELL_SOCKET } from "./qemu.ts";
import { type Ended, openShell, type Shell } from "./shell.ts";

export interface VmOptions {
  readonly chroot: string;
  readonly kernel: Kernel;
  readonly contents: Contents;
  readonly devices?: readonly string[];
  readonly memoryMb?: number;
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
  /** Ends it at once, as a power cut does. */
  stop(): Promise<void>;
}

/** Emulated, and beside other work: a boot alone takes 5 s. */
const BOOT_MS = 180_000;
const COMMAND_MS = 60_000;

/** Boots a VM and waits until it answers. @throws with the end of its console */
export async function startVm(options: VmOptions): Promise<Vm> {
  const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-vm-"));
  const { chroot, kernel, contents, devices = [], memoryMb = 1024 } = options;
  let shell: Shell | null = null;
  let program: Program | null = null;
  const stop = async (): Promise<void> => {
    shell?.close();
    await program?.stop("kill");
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const initramfs = await makeInitramfs(folder, { "bin/busybox": join(chroot, "usr/bin/busybox"), ...contents });
    const argv = qemuCommand({ chroot, image: kernel.image, initramfs, devices, memoryMb, folder });
    program = startProgram({ name: `VM ${kernel.name}`, argv, env: { PATH: "/usr/bin:/bin" }, logFile: join(folder, "qemu.log") });
    shell = await reach(program, folder);
    return vmOf({ shell, folder, stop });
  } catch (cause) {
    const log = join(folder, CONSOLE_LOG);
    const end = existsSync(log) ? tailOf(log, 40) : "";
    await stop();
    throw new Error(`the VM with kernel ${kernel.release} did not come up\n${end}`, { cause });
  }
}

async function reach(program: Program, folder: string): Promise<Shell> {
  const socket = join(folder, SHELL_SOCKET);
  const look = () => {
    program.assertRunning();
    return existsSync(socket) ? met(true) : notYet<boolean>("no socket");
  };
  await waitUntil("QEMU's sockets", look, { deadlineMs: 30_000, everyMs: 20 });
  let lost: Error | null = null;
  let isUp = false;
  const shell = openShell(socket, (cause) => {
    lost = cause;
  });
  void shell.ready.then(() => {
    isUp = true;
  });
  const lookUp = () => {
    program.assertRunning();
    if (lost !== null) throw lost;
    return isUp ? met(true) : notYet<boolean>("still booting");
  };
  await waitUntil("the VM's first process", lookUp, { deadlineMs: BOOT_MS, everyMs: 50 });
  return shell;
}

function vmOf({ shell, folder, stop }: { shell: Shell; folder: string; stop: () => Promise<void> }): Vm {
  const attempt = (commands: string, deadlineMs = COMMAND_MS): Promise<Ended> => shell.run(commands, deadlineMs);
  const run = async (commands: string, deadlineMs?: number): Promise<string> => {
    const { code, output } = await attempt(commands, deadlineMs);
    if (code !== 0) throw new Error(`in the VM: ${commands}: exit code ${code}\n${output}`);
    return output;
  };
  return {
    try: attempt,
    run,
    complaints: async () => (await run("dmesg")).split("\n").filter((line) => COMPLAINT.test(line)),
    qmp: (command, args) => callQmp(join(folder, QMP_SOCKET), command, args),
    stop,
  };
}

/** Loading an unsigned module from outside the tree is announced, and is what we do. */
const COMPLAINT =
  /WARNING:|BUG:|Oops|Call Trace|general protection|RIP:|refcount_t|possible circular|suspicious RCU|hung_task|blocked for more than|soft lockup|rcu_.*stall|KASAN|kmemleak|UBSAN/;

/** One exchange: capabilities, the command, its answer. */
function callQmp(path: string, command: string, args: Readonly<Record<string, unknown>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let said = "";
    const end = (cause?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      if (cause) reject(cause);
      else resolve();
    };
    const timer = setTimeout(() => end(new Error(`QEMU did not answer ${command}: ${said}`)), 10_000);
    socket.setEncoding("utf8");
    socket.on("error", end);
    socket.on("data", (chunk: string) => {
      said += chunk;
      if (said.includes('"error"')) end(new Error(`QEMU refused ${command}: ${said}`));
      else if (said.split('"return"').length > 2) end();
    });
    socket.write(`${JSON.stringify({ execute: "qmp_capabilities" })}\n${JSON.stringify({ execute: command, arguments: args })}\n`);
  });
}
