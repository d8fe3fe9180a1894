// SPDX-License-Identifier: Apache-2.0
import type { Command } from "commander";
import { agentConfig } from "../config/agent-config.ts";
import { helpText } from "../config/setting.ts";
import { SETTING_KEYS, SETTINGS } from "../config/settings.ts";
import type { Act, Context } from "../context.ts";
import { exitCodesText } from "../help.ts";

const ABOUT = `Runs the agent of one node: observes its VT-d units and TEE-I/O devices, sets units up as its TrustedIommu says, offers devices to kubelet only
while it is true that their unit is trusted, and reports.

  trusted-iommu agent --manifest node.yaml        a real node without a cluster
  trusted-iommu agent --node n1                   a real node in a cluster
  trusted-iommu agent --simulator DIR --manifest node.yaml --kubelet none

SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2, SIGALRM, SIGXCPU and SIGPWR withdraw the devices and never clear a unit: an upgrade is not an intent.
None of them reads the configuration again, and what was ignored at the start (nohup) stays ignored. Every flag is also a key of the config file
(--host-root is hostRoot); a flag goes before the file.

${exitCodesText({ Ok: "stopped as it was told", NodeLocked: "another agent runs on this node" })}`;

/** Adds `agent`. */
export function addAgentCommand(program: Command, context: Context, act: Act): void {
  const command = program.command("agent").summary("run the agent of one node").description(ABOUT);
  for (const key of SETTING_KEYS) command.option(SETTINGS[key].flag, helpText(SETTINGS[key]));
  command.option("--config <file>", "take settings from this YAML file (default: $TRUSTED_IOMMU_CONFIG)");
  command.action((flags: Record<string, unknown>) =>
    act(async () => {
      const { workingFolder, environment } = context;
      const config = agentConfig(flags, { workingFolder, configFile: environment.configFile });
      const { runAgent } = await import("./run-agent.ts");
      return await runAgent(config, context);
    }),
  );
}
