// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureCgroup, planCgroupPaths } from "./cgroups.ts";
import type { CommandOptions, CommandResult } from "./command.ts";
import { startContainerd } from "./containerd.ts";
import type { ControlPlane } from "./control-plane.ts";
import { prepareKubelet } from "./kubelet.ts";
import { type Namespace, openNamespace } from "./namespace.ts";
import { connectNode, nodeAddress, podRange } from "./network.ts";
import type { Program } from "./program.ts";
import type { RunFolder } from "./run-folder.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** A node: containerd and kubelet in namespaces of their own. Host paths below the run's folder are the same inside and outside. */
export interface ClusterNode {
  readonly name: string;
  readonly address: string;
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

/** Where each node finds its own simulated host: the chart's default. */
export const SIMULATED_HOST_PATH = "/var/lib/trusted-iommu/simulator";

/** What a node is started from. */
export interface NodeSpec {
  readonly name: string;
  /** From 1; decides the node's addresses. */
  readonly index: number;
  readonly nodeCount: number;
  readonly binaries: string;
  readonly runc: string;
  readonly pauseImage: string;
  /** OCI archives imported before kubelet starts; the pause image must be among them. */
  readonly archives: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a node; its kubelet answers when this returns, and registers itself. */
export async function startNode(run: RunFolder, controlPlane: ControlPlane, spec: NodeSpec): Promise<ClusterNode> {
  const folder = run.makeFolder(spec.name);
  const paths = makeNodeFolders(run, spec.name);
  const cgroup = `trusted-iommu-${run.id}-${spec.name}`;
  for (const path of planCgroupPaths(cgroup)) {
    run.record({ kind: "cgroup", path });
    ensureCgroup(path);
  }
  const env = { ...spec.env, TMPDIR: run.makeFolder(spec.name, "tmp") };
  const namespace = await openNamespace(run, { name: spec.name, setup: mountLines(paths), env });
  await connectNode(controlPlane.namespace, namespace, spec);
  const { binaries, runc, pauseImage } = spec;
  const address = nodeAddress(spec.index);
  const [containerd, kubeletArgv] = await Promise.all([
    startContainerd(namespace, { binaries, runc, pauseImage, folder, podRange: podRange(spec.index) }),
    prepareKubelet(controlPlane.authority, { nodeName: spec.name, address, binaries, folder, cgroupRoot: `/${cgroup}` }),
  ]);
  const importImage = async (archive: string): Promise<void> => {
    await namespace.run([join(binaries, "ctr"), "-n", "k8s.io", "images", "import", archive]);
  };
  for (const archive of spec.archives) await importImage(archive);
  const kubelet = controlKubelet(namespace, kubeletArgv);
  await kubelet.startKubelet();
  const programs = () => [containerd, ...kubelet.programs()];
  return { name: spec.name, address, folder, ...paths, namespace, exec: namespace.run, importImage, ...kubelet, programs };
}

interface NodePaths {
  readonly hostFolder: string;
  readonly kubeletFolder: string;
  readonly podLogsFolder: string;
}

function makePodLogsFolder(run: RunFolder, name: string): string {
  const folder = join(run.logs, `${name}-pods`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function makeNodeFolders(run: RunFolder, name: string): NodePaths {
  run.makeFolder(name, "cni");
  return {
    hostFolder: run.makeFolder(name, "host"),
    kubeletFolder: run.makeFolder(name, "kubelet"),
    // Below the logs, so that they are kept with them.
    podLogsFolder: makePodLogsFolder(run, name),
  };
}

/** Mounts that make the machine's folders the node's own. Device plugins' folder is a constant of kubelet's
 *  (/var/lib/kubelet/device-plugins): two kubelets can share a machine only with different mounts. The new filesystems on
 *  /var/lib and /var/log make the mount points below them without a trace on the machine. */
function mountLines(paths: NodePaths): string[] {
  const bind = (from: string, to: string): string[] => [`mkdir -p ${to}`, `mount --bind '${from}' ${to}`];
  return [
    ...["/run", "/var/lib", "/var/log"].map((path) => `mount -t tmpfs tmpfs ${path}`),
    "mkdir -p /run/cdi /var/log/containers",
    ...bind(paths.kubeletFolder, "/var/lib/kubelet"),
    ...bind(paths.hostFolder, SIMULATED_HOST_PATH),
    ...bind(paths.podLogsFolder, "/var/log/pods"),
  ];
}

type KubeletControl = Pick<ClusterNode, "startKubelet" | "stopKubelet" | "restartKubelet" | "programs">;

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
