// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from "commander";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { silentLog } from "../runtime/log.ts";
import { nodeConfig } from "./config/node-config.ts";
import { helpText } from "./config/setting.ts";
import { OUTPUT_FORMS, SETTINGS, type SettingKey } from "./config/settings.ts";
import { type Act, type Context, canvasOf, printLines } from "./context.ts";
import { exitCodesText } from "./help.ts";

const ABOUT = `Shows each thing that this node needs for TDX Connect and the agent: processor, kernel, VT-d units, driver, TDX module, devices, kubelet. Each is found or not, with what to do. Reads only; run it as root, on the node itself or in the agent's container.

  trusted-iommu preflight
  trusted-iommu preflight --kubelet none --output json
  trusted-iommu preflight --simulator DIR --kubelet none

${exitCodesText({ Ok: "all is there", No: "something is missing, or cannot be told" })}`;

/** What a look at the node depends on. */
const KEYS: readonly SettingKey[] = ["hostRoot", "driver", "simulator", "kubeletDir", "podresources", "kubelet", "cdiDir"];

/** Adds `preflight`. */
export function addPreflightCommand(program: Command, context: Context, act: Act): void {
  const command = program.command("preflight").summary("show what this node needs for TDX Connect, found or not, with the fix").description(ABOUT);
  for (const key of KEYS) command.option(SETTINGS[key].flag, helpText(SETTINGS[key]));
  command.option("--config <file>", "take settings from the agent's config file");
  command.addOption(new Option("--output <format>", "form of the answer").choices([...OUTPUT_FORMS]).default("text"));
  command.action((flags: Record<string, unknown>) =>
    act(async () => {
      const config = nodeConfig(flags, { workingFolder: context.workingFolder, configFile: context.environment.configFile });
      const [{ readNode }, { preflight, unmet }, { preflightJson, preflightText }] = await Promise.all([
        import("./preflight/read-node.ts"),
        import("./preflight/preflight.ts"),
        import("./view/preflight.ts"),
      ]);
      const result = preflight(await readNode(config, silentLog));
      printLines(context, flags["output"] === "json" ? [preflightJson(result)] : preflightText(result, canvasOf(context)));
      return unmet(result).length === 0 ? EXIT_CODES.Ok : EXIT_CODES.No;
    }),
  );
}
