// SPDX-License-Identifier: Apache-2.0
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { ReadStatus } from "../domain/status.ts";
import { AppError } from "../runtime/errors.ts";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { SETTINGS } from "./config/settings.ts";
import { type Act, type Context, canvasOf, printLines } from "./context.ts";
import { exitCodesText } from "./help.ts";
import type { ReportedNode, StatusPlace } from "./read-status.ts";
import { jsonText } from "./view/text.ts";
import { nodeTree } from "./view/tree.ts";

const ABOUT = `Shows a node as a tree: host bridge, unit, device, each with its state, id and reason. Read from the status file of a standalone agent, or from
the cluster; nothing on the machine is touched.

  trusted-iommu status                  the standalone agent of this machine
  trusted-iommu status --simulator DIR  the one on a simulated host
  trusted-iommu status --node n1        a node of the cluster

${exitCodesText({ Ok: "the node is as its TrustedIommu says (condition Ready is True)", No: "it is not, or not yet", Unavailable: "there is no status, or no API server" })}`;

/** Where a standalone agent of this machine leaves its status when it is not told otherwise. */
const DEFAULT_FILE = SETTINGS.status.default;

interface StatusFlags {
  readonly status?: string;
  readonly simulator?: string;
  readonly node?: string;
  readonly kubeconfig?: string;
  readonly output: string;
}

/** Adds `status`. */
export function addStatusCommand(program: Command, context: Context, act: Act): void {
  const command = program.command("status").summary("show the node as a tree: host bridge, unit, device").description(ABOUT);
  command
    .addOption(new Option("--status <file>", `status file of a standalone agent (default: ${DEFAULT_FILE})`).conflicts(["node", "simulator"]))
    .addOption(new Option("--simulator <dir>", "folder of a simulated host: its agent's status.json").conflicts("node"))
    .option("--node <name>", "read the TrustedIommu of this node from the cluster")
    .option("--kubeconfig <file>", `how to reach the API server (default: ${SETTINGS.kubeconfig.otherwise})`)
    .addOption(new Option("--output <format>", "text or json").choices(["text", "json"]).default("text"));
  command.action((flags: StatusFlags) =>
    act(async () => {
      const { name, status } = await reported(flags, context);
      printLines(context, flags.output === "json" ? [jsonText(status)] : nodeTree(name, status, canvasOf(context)));
      const isReady = status.conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
      return isReady ? EXIT_CODES.Ok : EXIT_CODES.No;
    }),
  );
}

async function reported(flags: StatusFlags, context: Context): Promise<ReportedNode> {
  if (flags.node !== undefined) return { name: flags.node, status: await statusFromCluster(flags.node, flags, context) };
  const { readStatus } = await import("./read-status.ts");
  const { name, status } = await readStatus(placeOf(flags, context));
  return { name: name || hostname(), status };
}

/** The file, and the words by which the user knows it. */
function placeOf({ status, simulator }: StatusFlags, { workingFolder }: Context): StatusPlace {
  if (simulator !== undefined) {
    const folder = resolve(workingFolder, simulator);
    return { path: join(folder, "status.json"), words: `the agent on the simulated host ${folder}` };
  }
  if (status === undefined) return { path: DEFAULT_FILE, words: "a standalone agent of this machine" };
  return { path: resolve(workingFolder, status), words: "an agent with this --status" };
}

/** @throws API_UNREACHABLE · API_REFUSED · CONFIG_INVALID */
async function statusFromCluster(node: string, flags: StatusFlags, context: Context): Promise<ReadStatus> {
  const { openCluster } = await import("./agent/open-cluster.ts");
  const { silentLog } = await import("../runtime/log.ts");
  const kubeconfig = flags.kubeconfig === undefined ? null : resolve(context.workingFolder, flags.kubeconfig);
  const cluster = await openCluster({ node, kubeconfig, context, log: silentLog });
  try {
    const status = await cluster.status.readLast();
    if (status !== null) return status;
    throw new AppError("API_REFUSED", `node "${node}" has no TrustedIommu with a status: kubectl get tiommu shows those there are`);
  } finally {
    await cluster.stop();
  }
}
