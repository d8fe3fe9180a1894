// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { ENVIRONMENTS, type Environment as TdxEnvironment } from "../../domain/unit.ts";
import { EXIT_CODES } from "../../runtime/exit-codes.ts";
import { clean } from "../../runtime/printable.ts";
import { type Act, type Context, canvasOf, printLines } from "../context.ts";
import { hostFile } from "../host-file.ts";
import { addressArgument } from "./arguments.ts";
import { DEEDS, type Deed } from "./deeds.ts";
import { addFault, addVirtual } from "./fault-command.ts";
import { open, type Rooted, rootOption } from "./opened.ts";
import { moduleJson, moduleTable } from "./show.ts";

const ABOUT = `A simulated host is a folder: host/ is shaped like the root of a real one (/sys, /proc, /dev), tdx/ is the state of a simulated TDX module.
The agent reads and sets it up as it would a real one, through the same code:

  trusted-iommu simulate create --host hosts/one-unit.yaml --root /tmp/sim
  trusted-iommu agent --simulator /tmp/sim --manifest node.yaml --kubelet none
  trusted-iommu simulate fault --root /tmp/sim --status TDX_OPERAND_BUSY

Every sub-command also works while an agent runs on the host. Nothing here touches TDX hardware.`;

/** Adds `simulate` and its sub-commands. The engine is loaded only when one of them runs. */
export function addSimulateCommand(program: Command, context: Context, act: Act): void {
  const simulate = program.command("simulate").summary("make a simulated host and do things to it").description(ABOUT);
  addCreate(simulate, context, act);
  addShow(simulate, context, act);
  addFault(simulate, context, act);
  addVirtual(simulate, context, act);
  addModule(simulate, context, act);
  for (const deed of DEEDS) addDeed({ simulate, context, act, deed });
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
