// SPDX-License-Identifier: Apache-2.0
// From QEMU's start to the VM's first process.
import { existsSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Program } from "../../cluster/program.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import type { Kernel } from "../kit/kernels.ts";
import { CONSOLE_LOG, SHELL_SOCKET } from "./qemu.ts";
import { dial, openShell, type Shell } from "./shell.ts";

/** Emulated, and beside other work: a boot alone takes 5 s. */
const BOOT_MS = 90_000;
/**
 * A kernel that measures its clock while the emulator gets no time may wait for it for ever, long before anything of ours is there. Then the machine
 * is switched on again, and the log says so.
 */
const BOOTS = 3;

/** A machine that answers. */
export interface Booted {
  readonly line: Line;
  readonly program: Program;
}

/** Switches a machine on until it answers. @throws with the end of its console */
export async function bootRepeatedly(kernel: Kernel, folder: string, start: () => Program): Promise<Booted> {
  for (let boot = 1; ; boot += 1) {
    const program = start();
    let line: Line | null = null;
    try {
      line = await reach(program, folder);
      await line.up();
      return { line, program };
    } catch (cause) {
      line?.shell.close();
      await program.stop("kill");
      const end = consoleOf(folder).trimEnd().split("\n").slice(-40).join("\n");
      const problem = `the VM with kernel ${kernel.release} did not come up, boot ${boot} of ${BOOTS}\n${end}`;
      if (boot === BOOTS) throw new Error(problem, { cause });
      process.stdout.write(`${problem}\n${String(cause)}\n`);
    }
  }
}

/** A line to a VM that may still be booting. */
export interface Line {
  readonly shell: Shell;
  /** Resolves when the first process answers. */
  up(): Promise<void>;
}

/** A line to a machine that runs, once somebody listens. */
export async function reach(program: Program, folder: string): Promise<Line> {
  const look = async () => {
    program.assertRunning();
    const found = await dial(join(folder, SHELL_SOCKET));
    return found === null ? notYet<Socket>("nobody listens") : met(found);
  };
  const socket = await waitUntil("QEMU's sockets", look, { deadlineMs: 30_000, everyMs: 20 });
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
  return { shell, up: async () => void (await waitUntil("the VM's first process", lookUp, { deadlineMs: BOOT_MS, everyMs: 50 })) };
}

/** What the machine in this folder has written to its console. */
export function consoleOf(folder: string): string {
  const log = join(folder, CONSOLE_LOG);
  return existsSync(log) ? readFileSync(log, "utf8") : "";
}
