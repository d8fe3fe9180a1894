// SPDX-License-Identifier: Apache-2.0
// Images for a node that is still to boot: imported on this machine, into a folder that becomes the node's own. In the VM the same import would
// take a minute.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Namespace } from "../../cluster/namespace.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";

export interface Seed {
  readonly binaries: string;
  /** OCI archives. */
  readonly archives: readonly string[];
  /** For the socket and what containerd keeps while it runs. */
  readonly workFolder: string;
}

/** Makes `root` a containerd's root folder with the images in it. @throws with containerd's words */
export async function seedImages(namespace: Namespace, root: string, seed: Seed): Promise<void> {
  const { binaries, archives, workFolder } = seed;
  mkdirSync(workFolder, { recursive: true });
  const config = join(workFolder, "seed.toml");
  const socket = join(workFolder, "seed.sock");
  writeFileSync(config, renderConfig(root, { socket, state: join(workFolder, "seed-state") }));
  const containerd = namespace.start("seeding-containerd", [join(binaries, "containerd"), "--config", config]);
  const ctr = [join(binaries, "ctr"), "-a", socket];
  try {
    const look = async () => {
      containerd.assertRunning();
      const answer = await namespace.tryRun([...ctr, "version"], { timeoutMs: 20_000 });
      return answer.code === 0 ? met(true) : notYet<boolean>(answer.stderr.trim());
    };
    await waitUntil("containerd for the images", look, { deadlineMs: 60_000 });
    for (const archive of archives) await namespace.run([...ctr, "-n", "k8s.io", "images", "import", archive]);
  } finally {
    await containerd.stop();
  }
}

function renderConfig(root: string, place: { socket: string; state: string }): string {
  return `version = 3
root = "${root}"
state = "${place.state}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
[grpc]
  address = "${place.socket}"
[ttrpc]
  address = "${place.socket}.ttrpc"
`;
}
