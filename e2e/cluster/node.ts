// SPDX-License-Identifier: Apache-2.0
import type { CommandOptions, CommandResult } from "./command.ts";
import type { ControlPlane } from "./control-plane.ts";
import { prepareKubelet } from "./kubelet.ts";
import type { Namespace } from "./namespace.ts";
import { connectNode, nodeAddress } from "./network.ts";
import { importImage, type NodeGround, type NodeKit, openNodeGround, startRuntime } from "./node-ground.ts";
import type { Program } from "./program.ts";
import type { RunFolder } from "./run-folder.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** A node: containerd and kubelet in namespaces of their own. Host paths below the run's folder are the same inside and outside. */
export interface Node {
  readonly name: string;
  /** The node's own folder. */
  readonly folder: string;
  /** Where a simulated host for this node goes. Exists, empty. Inside the node it is at `SIMULATED_HOST_PATH` too, the same on
   *  every node, for a DaemonSet's hostPath. */
  readonly hostFolder: string;
  /** The node's `/var/lib/kubelet`, as seen from outside: below it `device-plugins` and `pod-resources`. */
  readonly kubeletFolder: string;
  /** The node's `/var/log/pods`, as seen from outside. */
  readonly podLogsFolder: string;
  readonly namespace: Namespace;
  /** Runs a command in the node's namespaces. @throws when it exits with another code than 0 */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Imports an OCI archive into the node's containerd, for pods with `imagePullPolicy: Never`. */
  importImage(archive: string): Promise<void>;
  /** Starts kubelet and waits until it answers its health check. @throws when it runs already */
  startKubelet(): Promise<void>;
  /** Ends kubelet (SIGTERM), or kills it with -9; pods go on running. Nothing to do when it does not run. */
  stopKubelet(how?: "term" | "kill"): Promise<void>;
  /** `kill -9`, then a new one. */
  restartKubelet(): Promise<void>;
  /** The programs that have to run for the node to work; for `assertRunning`. */
  programs(): readonly Program[];
}

/** A node of a cluster. */
export interface ClusterNode extends Node {
  readonly address: string;
}

/** What a node of a cluster is started from. */
export interface NodeSpec {
  readonly name: string;
  readonly index: number;
  readonly nodeCount: number;
  readonly kit: NodeKit;
}

/** What runs on a node: containerd already, kubelet by its command. */
export interface NodePrograms {
  readonly containerd: Program;
  readonly kubeletArgv: readonly string[];
}

/** Starts a node of a cluster; `index` (from 1) decides its addresses. Its kubelet answers when this returns, and registers itself. */
export async function startNode(run: RunFolder, controlPlane: ControlPlane, spec: NodeSpec): Promise<ClusterNode> {
  const { name, index, kit } = spec;
  const ground = await openNodeGround(run, name, kit);
  await connectNode(controlPlane.namespace, ground.namespace, spec);
  const address = nodeAddress(index);
  const { folder, cgroupRoot } = ground;
  const [containerd, kubeletArgv] = await Promise.all([
    startRuntime(ground, kit, index),
    prepareKubelet(controlPlane.authority, { nodeName: name, address, binaries: kit.binaries, folder, cgroupRoot }),
  ]);
  return { address, ...(await runNode(ground, kit, { containerd, kubeletArgv })) };
}

/** Imports the images, then starts kubelet; it answers when this returns. */
export async function runNode(ground: NodeGround, kit: NodeKit, programs: NodePrograms): Promise<Node> {
  const { namespace } = ground;
  const { containerd, kubeletArgv } = programs;
  for (const archive of kit.archives) await importImage(ground, kit, archive);
  const kubelet = controlKubelet(namespace, kubeletArgv);
  await kubelet.startKubelet();
  return {
    ...ground,
    exec: namespace.run,
    importImage: (archive) => importImage(ground, kit, archive),
    ...kubelet,
    programs: () => [containerd, ...kubelet.programs()],
  };
}

type KubeletControl = Pick<Node, "startKubelet" | "stopKubelet" | "restartKubelet" | "programs">;

function controlKubelet(namespace: Namespace, argv: readonly string[]): KubeletControl {
  let current: Program | null = null;
  const startKubelet = async (): Promise<void> => {
    if (current?.isRunning()) throw new Error(`${namespace.name}: kubelet runs already`);
    const program = namespace.start(`${namespace.name}-kubelet`, argv);
    current = program;
    const look = async (): Promise<Look<true>> => {
      program.assertRunning();
      const answer = await namespace.tryRun(["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:10248/healthz"]);
      return answer.code === 0 ? met(true) : notYet(answer.stderr.trim());
    };
    await waitUntil(`kubelet of ${namespace.name}`, look, { deadlineMs: 60_000 });
  };
  const stopKubelet = async (how: "term" | "kill" = "term"): Promise<void> => {
    await current?.stop(how);
    current = null;
  };
  const restartKubelet = async (): Promise<void> => {
    await stopKubelet("kill");
    await startKubelet();
  };
  return { startKubelet, stopKubelet, restartKubelet, programs: () => (current === null ? [] : [current]) };
}
