// SPDX-License-Identifier: Apache-2.0
// The end of a VM by its own reboot, seen from outside: it does not answer any more.
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import type { Vm } from "./vm.ts";

/** The kernel's last word before it resets the machine, with everything said on the console. */
const REBOOT = "dmesg -n 8; reboot -f";

/** Reboots, which ends the VM, and gives back its console. @throws when the kernel does not get to its end */
export async function goDown(vm: Vm, deadlineMs = 60_000): Promise<string> {
  const answer = vm.run(REBOOT).catch((gone: Error) => gone.message);
  const look = () => (/reboot: machine restart|Restarting system/.test(vm.console()) ? met(vm.console()) : notYet<string>("it is still up"));
  const console = await waitUntil("the end of the machine", look, { deadlineMs });
  await vm.stop();
  await answer;
  return console;
}
