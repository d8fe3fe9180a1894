// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { ENVIRONMENTS, type Environment as TdxEnvironment } from "../../domain/unit.ts";
import { EXIT_CODES } from "../../runtime/exit-codes.ts";
import { clean } from "../../runtime/printable.ts";
import type { SimulatedHost } from "../../stand-in/host/simulated-host.ts";
import { type Act, type Context, canvasOf, printLines } from "../context.ts";
import { hostFile } from "../host-file.ts";
import { addressArgument, type FaultFlags, faultFrom, linkFaultFrom } from "./arguments.ts";
import { DEEDS, type Deed } from "./deeds.ts";
import { moduleJson, moduleTable } from "./show.ts";

const ABOUT = `A simulated host is a folder: host/ is shaped like the root of a real one (/sys, /proc, /dev), tdx/ is the state of a simulated TDX module.
The agent reads and sets it up as it would a real one, through the same code:

  trusted-iommu simulate create --host hosts/one-unit.yaml --root /tmp/sim
  trusted-iommu agent --simulator /tmp/sim --manifest node.yaml --kubelet none
  trusted-iommu simulate fault --root /tmp/sim --status TDX_OPERAND_BUSY

Every sub-command also works while an agent runs on the host. Nothing here touches TDX hardware.`;

interface Rooted {
  readonly root: string;
}

/** Adds `simulate` and its sub-commands. The engine is loaded only when one of them runs. */
export function addSimulateCommand(program: Command, context: Context, act: Act): void {
  const simulate = program.command("simulate").summary("make a simulated host and do things to it").description(ABOUT);
  addCreate(simulate, context, act);
  addShow(simulate, context, act);
  addFault(simulate, context, act);
  addModule(simulate, context, act);
  for (const deed of DEEDS) addDeed({ simulate, context, act, deed });
}

function rootOption(): Option {
  return new Option("--root <dir>", "folder of the simulated host").makeOptionMandatory();
}

async function open(context: Context, flags: Rooted): Promise<SimulatedHost> {
  const [{ openSimulatedHost }, { simulationOf }] = await Promise.all([
    import("../../stand-in/host/create.ts"),
    import("../../stand-in/module/simulation.ts"),
  ]);
  return openSimulatedHost(resolve(context.workingFolder, flags.root), { control: simulationOf() });
}

function addDeed({ simulate, context, act, deed }: { simulate: Command; context: Context; act: Act; deed: Deed }): void {
  const command = simulate.command(`${deed.name} ${deed.takes}`.trim()).summary(deed.summary);
  command.description(`${deed.summary}\n\n${deed.teaches}`).addOption(rootOption());
  command.action((...given: unknown[]) =>
    act(async () => {
      const words = given
        .filter((word) => typeof word === "string")
        .map((word, index) => (isAddressAt(deed, index) ? addressArgument("address", word) : word));
      printLines(context, [clean(deed.run(await open(context, command.opts<Rooted>()), ...words))]);
      return EXIT_CODES.Ok;
    }),
  );
}

function isAddressAt(deed: Deed, index: number): boolean {
  return deed.takes.split(" ")[index] === "<address>";
}

function addCreate(simulate: Command, context: Context, act: Act): void {
  const command = simulate
    .command("create")
    .summary("build a simulated host from a description")
    .description(
      "build a simulated host from a description\n\nDescriptions that come with the project are in hosts/. A simulated host that is in the folder\n" +
        "already is made anew; a folder with anything else in it is refused.",
    )
    .requiredOption("--host <file>", "description of the host (YAML), or the name of one in hosts/")
    .addOption(rootOption())
    .addOption(
      new Option(
        "--device-nodes <kind>",
        "vfio device nodes as empty files, or as character devices (needs root), which a container runtime insists on",
      )
        .choices(["files", "characters"])
        .default("files"),
    );
  command.action((flags: Rooted & { host: string; deviceNodes: string }) =>
    act(async () => {
      const [{ createSimulatedHost }, { loadHostDescription }, { simulationOf }] = await Promise.all([
        import("../../stand-in/host/create.ts"),
        import("../../stand-in/host/load-description.ts"),
        import("../../stand-in/module/simulation.ts"),
      ]);
      const description = loadHostDescription(hostFile(flags.host, context.workingFolder));
      const deviceNodes = flags.deviceNodes === "characters" ? "Characters" : "Files";
      const root = resolve(context.workingFolder, flags.root);
      createSimulatedHost(root, { description, deviceNodes, control: simulationOf() });
      const { units, functions } = description;
      printLines(context, [clean(`${root}: ${units.length} units, ${functions.length} functions; use it with --simulator ${root}`)]);
      return EXIT_CODES.Ok;
    }),
  );
}

function addShow(simulate: Command, context: Context, act: Act): void {
  const command = simulate
    .command("show")
    .summary("the TDX module's own table: what no driver can see")
    .description("the TDX module's own table: phases, ids, pages it owns, calls made, scripted faults")
    .addOption(rootOption())
    .addOption(new Option("--output <format>", "text or json").choices(["text", "json"]).default("text"));
  command.action((flags: Rooted & { output: string }) =>
    act(async () => {
      const dump = (await open(context, flags)).show();
      printLines(context, flags.output === "json" ? [moduleJson(dump)] : moduleTable(dump, canvasOf(context)));
      return EXIT_CODES.Ok;
    }),
  );
}

function addFault(simulate: Command, context: Context, act: Act): void {
  const command = simulate
    .command("fault")
    .summary("script an answer of the TDX module, or of the TSM that secures links")
    .description(
      "script an answer of the TDX module, or with --link of the TSM that secures links\n\nThe first fault that matches an attempt answers it. TDX_OPERAND_BUSY and its like are retried with the donated pages\n" +
        "kept; TDX_OPERAND_INVALID with operand RCX (0xc000010000000001) makes a unit Unsupported; most others fail it.\n\n" +
        "With --link the next writes of tsm/connect or tsm/disconnect of that function 0 take --delay, and fail with --errno if one is given.",
    )
    .addOption(rootOption())
    .option("--leaf <leaf>", "SETUP, CLEAR or any", "any")
    .option("--unit <regBase>", "only this unit (default: any)")
    .option("--status <status>", "what is answered: a name or 64 bits in hex (default: the module's own answer)")
    .option("--delay <ms>", "how long the attempt takes", "0")
    .option("--times <n|forever>", "how many attempts it answers", "1")
    .option("--after <n>", "how many attempts pass before it starts", "0")
    .option("--keep-pages", "the module takes the pages although it answers with an error")
    .option("--link <address>", "the link of this function 0, instead of SEAMCALLs")
    .option("--errno <name>", "with --link: the error of the write, such as EKEYREJECTED (default: the TSM's own answer)");
  command.action((flags: Rooted & FaultFlags) =>
    act(async () => {
      if (flags.link !== undefined) {
        (await open(context, flags)).linkFault(linkFaultFrom({ ...flags, link: flags.link }));
        printLines(context, [`the answer of the TSM to writes of the link of ${clean(flags.link)} is scripted`]);
        return EXIT_CODES.Ok;
      }
      const fault = faultFrom(flags);
      (await open(context, flags)).fault(fault);
      printLines(context, ["the fault is scripted; `simulate show` lists it"]);
      return EXIT_CODES.Ok;
    }),
  );
}

function addModule(simulate: Command, context: Context, act: Act): void {
  const environments = ENVIRONMENTS.filter((name): name is Exclude<TdxEnvironment, "Ok"> => name !== "Ok");
  const lose = simulate
    .command("lose-module")
    .summary("make SEAMCALLs impossible, as without a TDX module")
    .description("make SEAMCALLs impossible\n\nNothing is known to be trusted any more: everything is withdrawn.")
    .addOption(rootOption())
    .addOption(new Option("--environment <name>", "how calls fail").choices(environments).default("VmFailInvalid"));
  lose.action((flags: Rooted & { environment: Exclude<TdxEnvironment, "Ok"> }) =>
    act(async () => {
      (await open(context, flags)).loseModule(flags.environment);
      printLines(context, [`SEAMCALLs fail now: ${flags.environment}`]);
      return EXIT_CODES.Ok;
    }),
  );
  const restore = simulate
    .command("restore-module")
    .summary("bring the TDX module back")
    .description("bring the TDX module back, with what it knew, or newly loaded")
    .addOption(rootOption())
    .option("--lost", "as newly loaded: it knows no unit any more");
  restore.action((flags: Rooted & { lost?: boolean }) =>
    act(async () => {
      (await open(context, flags)).restoreModule({ lost: flags.lost ?? false });
      printLines(context, ["the TDX module answers"]);
      return EXIT_CODES.Ok;
    }),
  );
}
