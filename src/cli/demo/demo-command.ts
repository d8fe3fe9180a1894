// SPDX-License-Identifier: Apache-2.0
import type { Command } from "commander";
import { helpText } from "../config/setting.ts";
import { SETTINGS } from "../config/settings.ts";
import type { Act, Context } from "../context.ts";
import { exitCodesText } from "../help.ts";

const ABOUT = `Runs the whole path in one process without any hardware: a simulated host with a simulated TDX module, the real agent, and a stand-in for kubelet
behind the real device-plugin protocol. A live view shows each unit and each device with its reason. Ctrl-C withdraws the devices, clears the
units and ends.

  npm start                                the live view
  npm start -- --once                      wait until all has settled, print the tables, clear and end
  npm start -- --host hosts/one-unit.yaml  another host

${exitCodesText({ Failed: "failed; with --once: a unit that should be trusted is not" })}`;

export interface DemoFlags {
  readonly once?: boolean;
  readonly host?: string;
  readonly metrics?: string;
  readonly logLevel?: string;
  readonly output?: string;
  readonly keep?: string;
}

/** Adds `demo`. */
export function addDemoCommand(program: Command, context: Context, act: Act): void {
  const command = program.command("demo").summary("agent, simulated host and kubelet stand-in in one process (npm start)").description(ABOUT);
  command
    .option("--once", "without the live view: settle, print, clear, end")
    .option("--host <file>", "host description, or the name of one in hosts/ (default: tdx-connect-2s)")
    .option(SETTINGS.output.flag, "as of the agent; with --once, json prints the settled status as one document (default: text)")
    .option(SETTINGS.metrics.flag, helpText(SETTINGS.metrics))
    .option(SETTINGS.logLevel.flag, `${SETTINGS.logLevel.description} (default: warn; info with --output json)`)
    .option("--keep <dir>", "make the simulated host here and leave it, for `trusted-iommu simulate`");
  command.action((flags: DemoFlags) =>
    act(async () => {
      const { runDemo } = await import("./run-demo.ts");
      return await runDemo(flags, context);
    }),
  );
}
