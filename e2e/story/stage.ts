// SPDX-License-Identifier: Apache-2.0
// What the story plays on: one cluster, a simulated host on each node, and the agents of the chart under the chart's own ServiceAccount.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { type CommandResult, runCommand } from "../cluster/command.ts";
import type { Progress } from "../cluster/progress.ts";
import type { Rung } from "../cluster/rung.ts";
import { type Look, met, notYet, waitUntil } from "../cluster/waiting.ts";
import { AGENT_IMAGE_VALUES, agentImage } from "../image/agent-image.ts";
import { type ApiReader, createApiReader } from "./api-reader.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const CHART = join(ROOT, "charts/trusted-iommu");
const PROGRAM = join(ROOT, "bin/trusted-iommu");

/** Namespace and release of the agents. */
export const RELEASE = "trusted-iommu";

/** Seconds for which everything must be free before a CLEAR: less than the default of 10, which would only make the story longer. */
export const SETTLE_SECONDS = 3;

/** Which host is simulated on which node. */
export const HOSTS = { n1: "tdx-connect-2s", n2: "sapphire-rapids-2s" } as const;
export type NodeName = keyof typeof HOSTS;
export const NODES: readonly NodeName[] = ["n1", "n2"];

/** How long a condition may take; generous, because the machine may be busy. */
export const DEADLINE_MS = 90_000;

export interface Stage {
  readonly cluster: Cluster;
  /** The narrator: one line of the story's log. */
  readonly tell: Progress;
  readonly api: ApiReader;
  /** Runs `trusted-iommu simulate` on a node's host and returns what it printed. @throws unless it succeeds */
  simulate(node: NodeName, ...args: readonly string[]): Promise<string>;
  /** Runs `trusted-iommu` with the administrator's kubeconfig, where the API server can be reached. */
  program(...args: readonly string[]): Promise<CommandResult>;
  /** Installs the chart, or upgrades it to the story's values and the flags given. */
  deploy(...flags: readonly string[]): Promise<void>;
}

/** Starts everything; the agents are installed, and may still be starting. */
export async function openStage(rung: Rung): Promise<Stage> {
  const { environment, progress } = rung;
  const cluster = await startCluster({ nodes: NODES, binaries: await rung.binaries(), environment, progress });
  try {
    await Promise.all([renderHosts(cluster), importAgents(cluster)]);
    progress("hosts rendered, agents' image imported");
    const stage = furnish(cluster, progress, await openReader(cluster));
    await stage.deploy();
    progress("chart installed");
    return stage;
  } catch (error) {
    await cluster.stop({ failed: true });
    throw error;
  }
}

async function renderHosts(cluster: Cluster): Promise<void> {
  for (const node of NODES) {
    const host = join(ROOT, `hosts/${HOSTS[node]}.yaml`);
    await runCommand([PROGRAM, "simulate", "create", "--host", host, "--root", cluster.node(node).hostFolder]);
  }
}

async function importAgents(cluster: Cluster): Promise<void> {
  await cluster.importImage(await agentImage(ROOT));
}

async function openReader(cluster: Cluster): Promise<ApiReader> {
  const socket = join(cluster.folder, "api.sock");
  const proxy = cluster.start("kubectl-proxy", ["kubectl", "proxy", `--unix-socket=${socket}`, "--reject-methods=^(POST|PUT|PATCH|DELETE)$"]);
  const look = async (): Promise<Look<true>> => {
    proxy.assertRunning();
    const { code } = await runCommand(["test", "-S", socket]).catch(() => ({ code: 1 }));
    return code === 0 ? met(true) : notYet("no socket");
  };
  await waitUntil("kubectl proxy", look, { deadlineMs: DEADLINE_MS });
  return createApiReader(socket);
}

function furnish(cluster: Cluster, tell: Progress, api: ApiReader): Stage {
  const image = `image.pullPolicy=${AGENT_IMAGE_VALUES.pullPolicy}`;
  const values = ["--set", `simulator.enabled=true,agent.settleSeconds=${SETTLE_SECONDS},${image}`];
  return {
    cluster,
    tell,
    api,
    async simulate(node, command, ...args) {
      const argv = [PROGRAM, "simulate", command ?? "", "--root", cluster.node(node).hostFolder, ...args];
      return (await runCommand(argv)).stdout;
    },
    program: (...args) => cluster.exec([PROGRAM, ...args]),
    async deploy(...flags) {
      await cluster.exec(["helm", "upgrade", "--install", RELEASE, CHART, "--namespace", RELEASE, "--create-namespace", ...values, ...flags]);
    },
  };
}
