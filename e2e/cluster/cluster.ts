// SPDX-License-Identifier: Apache-2.0
// A Kubernetes cluster from nothing: etcd, API server, controllers, scheduler, and nodes with containerd and kubelet, all on
// this machine and all gone afterwards. The only door for tests; the files beside it are its parts.
import { join } from "node:path";
import { z } from "zod";
import type { CommandOptions, CommandResult } from "./command.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import type { Environment } from "./environment.ts";
import { type Kubectl, kubectlFor } from "./kubectl.ts";
import { type ClusterNode, startNode } from "./node.ts";
import { makeNodeKit } from "./node-ground.ts";
import type { Program } from "./program.ts";
import type { Progress } from "./progress.ts";
import { type StopRun, startRun } from "./run.ts";
import type { RunFolder } from "./run-folder.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** What a cluster is started with. */
export interface ClusterSpec {
  /** Names of the nodes; at most 9. */
  readonly nodes: readonly string[];
  /** Folder with the programs, from `ensureBinaries`. */
  readonly binaries: string;
  readonly environment: Environment;
  readonly progress: Progress;
  /** OCI archives that every node imports before its kubelet starts. */
  readonly archives?: readonly string[];
}

/** A running cluster. */
export interface Cluster extends Kubectl {
  /** The run's scratch folder, in memory: everything of the run but logs is below it, and may be. */
  readonly folder: string;
  /** Logs of all programs and pods. */
  readonly logs: string;
  readonly binaries: string;
  /** First process of the control plane's namespaces, to enter them by hand. */
  readonly controlPlanePid: number;
  /** The control plane itself: for whoever adds a node that is made in another way. */
  readonly controlPlane: ControlPlane;
  /** OCI archives that every node has imported. */
  readonly archives: readonly string[];
  readonly nodes: readonly ClusterNode[];
  /** @throws when there is no such node */
  node(name: string): ClusterNode;
  /** Runs a command in the control plane's namespaces, with the administrator's kubeconfig in `KUBECONFIG`: kubectl, helm, the command-line tool. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Starts a long-running program there, with the same kubeconfig, logging to `logs/NAME.log`; it ends with the cluster at the latest. */
  start(name: string, argv: readonly string[]): Program;
  /** What a node has to give now, by resource name, as the API server shows it: `{ "cpu": "2", "example.com/device": "4" }`. */
  allocatable(node: string): Promise<Record<string, string>>;
  /** Imports an OCI archive on every node. */
  importImage(archive: string): Promise<void>;
  readonly stop: StopRun;
}

/** Starts a cluster and waits until every node is Ready and pods can be made. What an earlier, killed run left is removed first.
 *  Ctrl-C and SIGTERM end it in order; when this process is killed outright, its guardian does. */
export async function startCluster(spec: ClusterSpec): Promise<Cluster> {
  return startRun(spec, (run, stop) => assemble(run, spec, stop));
}

async function assemble(run: RunFolder, spec: ClusterSpec, stop: StopRun): Promise<Cluster> {
  const { binaries, progress } = spec;
  const kit = await makeNodeKit(run, spec);
  const controlPlane = await startControlPlane(run, { binaries, env: kit.env });
  progress("API server ready");
  const nodeCount = spec.nodes.length;
  const nodes = await Promise.all(spec.nodes.map((name, i) => startNode(run, controlPlane, { kit, nodeCount, name, index: i + 1 })));
  progress("kubelets healthy");
  const exec: Cluster["exec"] = (argv, options = {}) =>
    controlPlane.namespace.run(argv, { ...options, env: { KUBECONFIG: controlPlane.kubeconfig, ...options.env } });
  const start: Cluster["start"] = (name, argv) => controlPlane.namespace.start(name, ["env", `KUBECONFIG=${controlPlane.kubeconfig}`, ...argv]);
  const kubectl = kubectlFor((argv, options = {}) =>
    controlPlane.namespace.tryRun([join(binaries, "kubectl"), ...argv], { ...options, env: { KUBECONFIG: controlPlane.kubeconfig, ...options.env } }),
  );
  await waitForNodes(kubectl, controlPlane, nodes);
  progress(`nodes ready: ${spec.nodes.join(", ")}`);
  const node = (name: string): ClusterNode => {
    const found = nodes.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no node ${name} in this cluster`);
    return found;
  };
  const importImage = async (archive: string): Promise<void> => void (await Promise.all(nodes.map((each) => each.importImage(archive))));
  const allocatable = async (name: string) => (await kubectl.kubectlJson(["get", "node", name], NODE)).status.allocatable;
  const controlPlanePid = controlPlane.namespace.pid;
  const places = { folder: run.scratch, logs: run.logs, binaries, archives: kit.archives, controlPlanePid, controlPlane };
  return { ...kubectl, ...places, nodes, node, exec, start, allocatable, importImage, stop };
}

/** Ready nodes, and the default ServiceAccount without which no pod is admitted. */
async function waitForNodes(kubectl: Kubectl, controlPlane: ControlPlane, nodes: readonly ClusterNode[]): Promise<void> {
  const look = async (): Promise<Look<true>> => {
    for (const program of [...controlPlane.programs(), ...nodes.flatMap((node) => node.programs())]) program.assertRunning();
    const states = await kubectl.kubectl(["get", "nodes", "-o", READY_STATES]);
    const ready = states.stdout.split("\n").filter((line) => line === "True").length;
    const account = await kubectl.tryKubectl(["-n", "default", "get", "serviceaccount", "default"]);
    if (ready === nodes.length && account.code === 0) return met(true);
    return notYet(`${ready} of ${nodes.length} nodes ready; ${account.stderr.trim() || "default ServiceAccount exists"}`);
  };
  await waitUntil("ready nodes", look, { deadlineMs: 90_000 });
}

const NODE = z.object({ status: z.object({ allocatable: z.record(z.string(), z.string()) }) });

const READY_STATES = 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
