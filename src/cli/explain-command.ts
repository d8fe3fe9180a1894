// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from "commander";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { agentConfig } from "./config/agent-config.ts";
import { helpText } from "./config/setting.ts";
import { SETTINGS, type SettingKey } from "./config/settings.ts";
import { type Act, type Context, canvasOf, printLines } from "./context.ts";
import { exitCodesText } from "./help.ts";
import { explainJson, explainText } from "./view/explain.ts";

const ABOUT = `Looks at the machine as the agent does, and shows every rule of the gate with the values it read for one device: the same function that decides.
Takes the agent's flags, so that it looks at the same things; reads only, also while an agent runs.

  trusted-iommu explain 0000:17:00.0 --manifest node.yaml
  trusted-iommu explain 17:00.0 --node n1 --output json

${exitCodesText({ Ok: "every rule of the gate holds: the device may be offered", No: "the device is withheld", Unavailable: "the host, the driver or the API server does not answer" })}`;

/** What a look at the node depends on. */
const KEYS: readonly SettingKey[] = [
  "manifest",
  "node",
  "hostRoot",
  "driver",
  "simulator",
  "kubeletDir",
  "podresources",
  "kubelet",
  "status",
  // What the agent proved lies beside its lock.
  "lock",
  "settle",
  "kubeconfig",
  "logLevel",
];

/** Adds `explain`. */
export function addExplainCommand(program: Command, context: Context, act: Act): void {
  const command = program.command("explain").summary("show every rule a device passed or failed").description(ABOUT);
  command.argument("<address>", "PCI address of the device, DDDD:BB:DD.F");
  for (const key of KEYS) command.option(SETTINGS[key].flag, helpText(SETTINGS[key]));
  command.option("--config <file>", "take settings from the agent's config file");
  command.addOption(new Option("--output <format>", "text or json").choices(["text", "json"]).default("text"));
  command.action((address: string, flags: Record<string, unknown>) =>
    act(async () => {
      const config = agentConfig(flags, { workingFolder: context.workingFolder, configFile: context.environment.configFile });
      const { explainDevice } = await import("./agent/explain-device.ts");
      const verdict = await explainDevice(address, config, context);
      printLines(context, flags["output"] === "json" ? [explainJson(verdict)] : explainText(verdict, canvasOf(context)));
      return verdict.offered ? EXIT_CODES.Ok : EXIT_CODES.No;
    }),
  );
}
