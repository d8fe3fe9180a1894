// SPDX-License-Identifier: Apache-2.0
// A node on its own: containerd, and a kubelet that has no API server and runs the pods whose manifests lie in a folder.
import { writeStandaloneKubelet } from "./kubelet.ts";
import { type Node, runNode } from "./node.ts";
import { makeNodeKit, openNodeGround, startRuntime } from "./node-ground.ts";
import { type RunSpec, type StopRun, startRun } from "./run.ts";

export interface StandaloneSpec extends RunSpec {
  /** Folder with the programs, from `ensureBinaries`. */
  readonly binaries: string;
}

export interface StandaloneNode extends Node {
  /** Kubelet runs each manifest in it, and ends the pod of each that is removed. */
  readonly staticPodsFolder: string;
  readonly stop: StopRun;
}

/** Starts the node `n1`; its kubelet answers when this returns. */
export async function startStandaloneNode(spec: StandaloneSpec): Promise<StandaloneNode> {
  return startRun(spec, async (run, stop) => {
    const name = "n1";
    const kit = await makeNodeKit(run, spec);
    const ground = await openNodeGround(run, name, kit);
    const staticPodsFolder = run.makeFolder(name, "static-pods");
    const { folder, cgroupRoot } = ground;
    const kubeletArgv = writeStandaloneKubelet({ nodeName: name, binaries: kit.binaries, folder, cgroupRoot, staticPods: staticPodsFolder });
    const containerd = await startRuntime(ground, kit, 1);
    return { ...(await runNode(ground, kit, { containerd, kubeletArgv })), staticPodsFolder, stop };
  });
}
