// SPDX-License-Identifier: Apache-2.0
// A virtual machine as a node of the real cluster, beside the nodes that are namespaces.
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from "vitest";
import { type Cluster, startCluster } from "../../cluster/cluster.ts";
import { openRung } from "../../cluster/rung.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { BUSYBOX_IMAGE } from "../../image/busybox-image.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import { startVmNode, type VmNode } from "./vm-node.ts";

const rung = await openKernelRung();
const clusterRung = await openRung();

describe.skipIf(rung.skipReason !== null || clusterRung.skipReason !== null)("a virtual machine as a node", () => {
  let cluster: Cluster;
  let node: VmNode;
  let failed = false;
  const noteFailure = () =>
    onTestFailed(() => {
      failed = true;
    });

  beforeAll(async () => {
    const { environment, progress } = rung;
    const { chroot, kernels } = await rung.kit();
    cluster = await startCluster({ nodes: ["n1", "n2"], binaries: await clusterRung.binaries(), environment, progress });
    const devices = behindPorts(["nvme,serial=a", "nvme,serial=b"]);
    node = await startVmNode(cluster, { name: "vm1", chroot, kernel: kernels[0], devices, environment, progress });
  }, 1_800_000);
  afterAll(async () => {
    if (failed) rung.progress(await node.logs());
    await cluster?.stop({ failed });
  });

  it("is Ready with a kernel of its own", async () => {
    noteFailure();
    const { stdout } = await cluster.kubectl(["get", "nodes", "-o", "wide"]);
    rung.progress(stdout);
    expect(stdout).toMatch(/^vm1 +Ready .* v1\.37\.2 +10\.77\.0\.13 .* 7\.2\./m);
  });

  it("runs a pod, shows its log, and lets commands into it", async () => {
    noteFailure();
    await cluster.apply(pod("hello", ["sh", "-c", "echo hello from $(uname -r); exec sleep inf"]));
    await cluster.kubectl(["wait", "--for=condition=Ready", "pod/hello", "--timeout=120s"]);
    rung.progress("a pod is Ready in it");
    const look = async () => {
      const { stdout } = await cluster.kubectl(["logs", "hello"]);
      return stdout.includes("hello") ? met(stdout) : notYet<string>(stdout);
    };
    expect(await waitUntil("the pod's log", look, { deadlineMs: 60_000 })).toMatch(/^hello from 7\.2\./);
    expect((await cluster.kubectl(["exec", "hello", "--", "cat", "/proc/sys/kernel/hostname"])).stdout).toBe("hello\n");
  });
});

function pod(name: string, command: readonly string[]): object {
  const container = { name: "main", image: BUSYBOX_IMAGE, imagePullPolicy: "Never", command };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { nodeName: "vm1", restartPolicy: "Never", terminationGracePeriodSeconds: 0, containers: [container] },
  };
}
