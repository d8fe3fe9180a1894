// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Namespace } from "./namespace.ts";
import type { Program } from "./program.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** The container runtime's socket, in the node's private `/run`. */
export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";

/** What a node's containerd is started from. */
export interface ContainerdSpec {
  readonly binaries: string;
  /** The node's own folder: images, containers and configuration live below it. */
  readonly folder: string;
  readonly podRange: string;
  /** Image of the pause container; imported like any other. */
  readonly pauseImage: string;
  readonly runc: string;
}

/** Starts containerd in the node's namespace; it answers when this returns. */
export async function startContainerd(namespace: Namespace, spec: ContainerdSpec): Promise<Program> {
  const configFile = join(spec.folder, "containerd.toml");
  const { pauseImage, runc, folder } = spec;
  writeFileSync(configFile, renderContainerdConfig({ pauseImage, runc, rootFolder: join(folder, "containerd"), cniFolder: join(folder, "cni") }));
  writeFileSync(join(folder, "cni/10-e2e.conflist"), renderCniConfig(spec.podRange));
  const program = namespace.start(`${namespace.name}-containerd`, [join(spec.binaries, "containerd"), "--config", configFile]);
  const look = async (): Promise<Look<true>> => {
    program.assertRunning();
    const answer = await namespace.tryRun([join(spec.binaries, "ctr"), "version"]);
    return answer.code === 0 ? met(true) : notYet(answer.stderr.trim());
  };
  await waitUntil(`containerd of ${namespace.name}`, look, { deadlineMs: 30_000 });
  return program;
}

/** What containerd's configuration says of a node. */
export interface ContainerdPlace {
  readonly pauseImage: string;
  readonly runc: string;
  /** Images and containers. */
  readonly rootFolder: string;
  /** Networks for pods. */
  readonly cniFolder: string;
}

/** containerd's configuration, in TOML. */
export function renderContainerdConfig(spec: ContainerdPlace): string {
  const runtime = `plugins."io.containerd.cri.v1.runtime"`;
  const images = `plugins."io.containerd.cri.v1.images"`;
  return `version = 3
root = "${spec.rootFolder}"
state = "/run/containerd/state"
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[${images}]
  snapshotter = "overlayfs"
[${images}.pinned_images]
  sandbox = "${spec.pauseImage}"
[${runtime}]
  # Root without CAP_SYS_RESOURCE may not lower oom_score_adj, and then every sandbox would fail.
  restrict_oom_score_adj = true
  enable_cdi = true
  cdi_spec_dirs = ["/var/run/cdi"]
[${runtime}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${runtime}.containerd.runtimes.runc.options]
  BinaryName = "${spec.runc}"
  SystemdCgroup = false
[${runtime}.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "${spec.cniFolder}"
`;
}

/** The network of a node's pods, as CNI's plugins read it. */
export function renderCniConfig(podRange: string): string {
  const ipam = { type: "host-local", ranges: [[{ subnet: podRange }]], routes: [{ dst: "0.0.0.0/0" }] };
  const bridge = { type: "bridge", bridge: "cni0", isGateway: true, ipMasq: false, ipam };
  return JSON.stringify({ cniVersion: "1.0.0", name: "e2e", plugins: [bridge] }, null, 2);
}
