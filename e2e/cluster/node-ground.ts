// SPDX-License-Identifier: Apache-2.0
// What every node stands on, whomever its kubelet answers to: folders, cgroups, namespaces, and containerd with its images.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BUSYBOX_IMAGE, writeBusyboxImage } from "../image/busybox-image.ts";
import { ensureCgroup, planCgroupPaths } from "./cgroups.ts";
import { startContainerd } from "./containerd.ts";
import type { Environment } from "./environment.ts";
import { type Namespace, openNamespace } from "./namespace.ts";
import { podRange } from "./network.ts";
import { findProgram } from "./packages.ts";
import type { Program } from "./program.ts";
import type { RunFolder } from "./run-folder.ts";

/** Where each node finds its own simulated host: the chart's default. */
export const SIMULATED_HOST_PATH = "/var/lib/trusted-iommu/simulator";

/** What all nodes of a run are started from. */
export interface NodeKit {
  readonly binaries: string;
  readonly runc: string;
  readonly pauseImage: string;
  /** OCI archives imported before kubelet starts; the pause image is among them. */
  readonly archives: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Writes the workload's image, and finds what nodes run. @throws when busybox or runc is not in PATH */
export async function makeNodeKit(
  run: RunFolder,
  spec: { readonly binaries: string; readonly environment: Environment; readonly archives?: readonly string[] },
): Promise<NodeKit> {
  const { binaries, archives = [] } = spec;
  const searchPath = spec.environment.variables.PATH ?? "";
  const busyboxArchive = join(run.scratch, "busybox.tar");
  await writeBusyboxImage(requireProgram("busybox", searchPath), busyboxArchive);
  const env = { PATH: `${binaries}:${searchPath}`, HOME: run.makeFolder("home"), TMPDIR: run.makeFolder("tmp") };
  return { binaries, env, archives: [busyboxArchive, ...archives], pauseImage: BUSYBOX_IMAGE, runc: requireProgram("runc", searchPath) };
}

/** A node's folders as seen from outside, and its namespaces. */
export interface NodeGround {
  readonly name: string;
  readonly folder: string;
  readonly hostFolder: string;
  readonly kubeletFolder: string;
  readonly podLogsFolder: string;
  /** Its group below each cgroup hierarchy, for its kubelet's `cgroupRoot`. */
  readonly cgroupRoot: string;
  readonly namespace: Namespace;
}

/** Makes a node's folders, cgroups and namespaces; nothing runs in it yet. */
export async function openNodeGround(run: RunFolder, name: string, kit: NodeKit): Promise<NodeGround> {
  const folder = run.makeFolder(name);
  const paths = makeNodeFolders(run, name);
  const cgroup = `trusted-iommu-${run.id}-${name}`;
  for (const path of planCgroupPaths(cgroup)) {
    run.record({ kind: "cgroup", path });
    ensureCgroup(path);
  }
  const env = { ...kit.env, TMPDIR: run.makeFolder(name, "tmp") };
  const namespace = await openNamespace(run, { name, setup: mountLines(paths), env });
  return { name, folder, ...paths, cgroupRoot: `/${cgroup}`, namespace };
}

/** Starts the node's containerd; `index` (from 1) decides its pods' addresses. */
export function startRuntime({ namespace, folder }: NodeGround, { binaries, runc, pauseImage }: NodeKit, index: number): Promise<Program> {
  return startContainerd(namespace, { binaries, runc, pauseImage, folder, podRange: podRange(index) });
}

/** Imports an OCI archive, for pods with `imagePullPolicy: Never`. */
export async function importImage({ namespace }: NodeGround, { binaries }: NodeKit, archive: string): Promise<void> {
  await namespace.run([join(binaries, "ctr"), "-n", "k8s.io", "images", "import", archive]);
}

type NodePaths = Pick<NodeGround, "hostFolder" | "kubeletFolder" | "podLogsFolder">;

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

function requireProgram(name: string, searchPath: string): string {
  const found = findProgram(name, searchPath);
  if (found === null) throw new Error(`${name} is not in PATH`);
  return found;
}
