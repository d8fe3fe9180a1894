// SPDX-License-Identifier: Apache-2.0

/** `simulate fault` and `simulate vf`: what has options of its own. */
import type { Command } from "commander";
import { EXIT_CODES } from "../../runtime/exit-codes.ts";
import { clean } from "../../runtime/printable.ts";
import type { SimulatedHost } from "../../stand-in/host/simulated-host.ts";
import { type Act, type Context, printLines } from "../context.ts";
import { addressArgument, countArgument, type FaultFlags, faultFrom, linkFaultFrom, streamsFrom } from "./arguments.ts";
import { open, type Rooted, rootOption } from "./opened.ts";

const FAULT = `script an answer of the TDX module, or with --link of the TSM that secures links, or with --streams how many IDE streams are left

The first fault that matches an attempt answers it. TDX_OPERAND_BUSY and its like are retried with the donated pages
kept; TDX_OPERAND_INVALID with operand RCX (0xc000010000000001) makes a unit Unsupported; most others fail it.

With --link the next writes of tsm/connect or tsm/disconnect of that function 0 take --delay, and fail with --errno if one is given.

With --streams the host bridge says how many streams it has left (available_secure_streams): each link that is secured takes one, and gives it back
when it is released. Devices that nothing is left for are withheld as NoStreamFree where spec.link.enable is OnPrepare; a container whose
device was given to it before waits as NoStreamLeft.`;

const VIRTUAL = `make or remove virtual functions of a physical one

As a write of sriov_numvfs does: all go, and as many as asked for are made anew, with the drivers of the description. A link that is secured covers
those that were there when it was secured: others are LinkNotCovering until it is released, or connected again.`;

export function addFault(simulate: Command, context: Context, act: Act): void {
  const command = simulate
    .command("fault")
    .summary("script an answer of the TDX module, or of the TSM that secures links, or how many streams are left")
    .description(FAULT)
    .addOption(rootOption())
    .option("--leaf <leaf>", "SETUP, CLEAR or any", "any")
    .option("--unit <regBase>", "only this unit (default: any)")
    .option("--status <status>", "what is answered: a name or 64 bits in hex (default: the module's own answer)")
    .option("--delay <ms>", "how long the attempt takes", "0")
    .option("--times <n|forever>", "how many attempts it answers", "1")
    .option("--after <n>", "how many attempts pass before it starts", "0")
    .option("--keep-pages", "the module takes the pages although it answers with an error")
    .option("--link <address>", "the link of this function 0, instead of SEAMCALLs")
    .option("--errno <name>", "with --link: the error of the write, such as EKEYREJECTED (default: the TSM's own answer)")
    .option("--streams <n>", "how many IDE streams the host bridge has left, instead of SEAMCALLs")
    .option("--host-bridge <name>", "with --streams: which one, such as pci0000:16 (default: the only one with links)");
  command.action((flags: Rooted & FaultFlags) =>
    act(async () => {
      printLines(context, [clean(script(await open(context, flags), flags))]);
      return EXIT_CODES.Ok;
    }),
  );
}

/** @returns what it has done, in one line */
function script(host: SimulatedHost, flags: FaultFlags): string {
  if (flags.streams !== undefined) {
    const { hostBridge, left } = streamsFrom({ ...flags, streams: flags.streams });
    host.setStreams(hostBridge, left);
    return `${left} IDE streams are left at ${hostBridge ?? "the host bridge"}`;
  }
  if (flags.link !== undefined) {
    host.linkFault(linkFaultFrom({ ...flags, link: flags.link }));
    return `the answer of the TSM to writes of the link of ${flags.link} is scripted`;
  }
  host.fault(faultFrom(flags));
  return "the fault is scripted; `simulate show` lists it";
}

export function addVirtual(simulate: Command, context: Context, act: Act): void {
  const command = simulate
    .command("vf <address>")
    .summary("make or remove virtual functions of a physical one")
    .description(VIRTUAL)
    .addOption(rootOption())
    .requiredOption("--count <n>", "how many there are then; 0: none");
  command.action((address: string, flags: Rooted & { count: string }) =>
    act(async () => {
      const physical = addressArgument("address", address);
      const count = countArgument("--count", flags.count, 0);
      (await open(context, flags)).setVirtual(physical, count);
      printLines(context, [`${physical} has ${count} virtual functions`]);
      return EXIT_CODES.Ok;
    }),
  );
}
