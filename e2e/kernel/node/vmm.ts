// SPDX-License-Identifier: Apache-2.0
// A pod that runs a virtual machine monitor on the device that it was given, and beside it one who asks kubelet for the pod's devices, as Kata does.
import type { Cluster } from "../../cluster/cluster.ts";
import { AGENT_IMAGE } from "../../image/agent-image.ts";
import { RESOURCE } from "./agents.ts";
import { deploymentWith } from "./pods.ts";
import { VMM_IMAGE } from "./vmm-image.ts";

/** Where the node's disk has the program of pod-names.ts. */
export const POD_NAMES = "opt/pod-names.mjs";
/** KubeVirt: pkg/util/util.go ResourceNameToEnvVar. */
const VARIABLE = `PCI_RESOURCE_${RESOURCE.toUpperCase().replaceAll("/", "_").replaceAll(".", "_")}`;
const PODRESOURCES = "/var/lib/kubelet/pod-resources";
const CDI = "/var/run/cdi";
/** Its machine does not start by itself; QMP is its standard input and output. */
const QEMU = `qemu-system-x86_64 -S -nodefaults -no-user-config -display none -nic none -machine q35 -accel tcg -m 32M \
-L /usr/share/seabios -L /usr/share/qemu -device pcie-root-port,id=rp0 -qmp stdio`;

/**
 * First by the device's address, as KubeVirt has it from the environment, then by descriptors that the pod has opened itself. `fd=3` is QMP's other end:
 * what is written to /tmp/qmp comes to whichever runs.
 */
const SCRIPT = `mkfifo /tmp/qmp && exec 3<> /tmp/qmp
address=$${VARIABLE}; echo "${VARIABLE}=$address"
node=$(echo /dev/vfio/devices/*); echo "node=$node"
ask() { echo '{"execute":"qmp_capabilities"}{"execute":"query-status"}' > /tmp/qmp; }
ask; ${QEMU} -object iommufd,id=io -device vfio-pci,id=given,bus=rp0,iommufd=io,host=$address <&3; echo "ended with $?"
exec 4<> $node 5<> /dev/iommu || exit 1
ask; ${QEMU} -object iommufd,id=io,fd=5 -device vfio-pci,id=given,bus=rp0,iommufd=io,fd=4 <&3; echo "ended with $?"
exec 4>&- 5>&-; exec sleep inf`;

/** The containers are `main` and `names`. Pinning a guest's memory for the device needs CAP_IPC_LOCK or a limit of locked memory that allows it. */
export function vmmDeployment(name: string): object {
  const main = {
    name: "main",
    image: VMM_IMAGE,
    imagePullPolicy: "Never",
    command: ["sh", "-c", SCRIPT],
    securityContext: { capabilities: { add: ["IPC_LOCK"] } },
    resources: { limits: { [RESOURCE]: "1" } },
  };
  const folders = { podresources: PODRESOURCES, cdi: CDI };
  const names = {
    name: "names",
    image: AGENT_IMAGE,
    imagePullPolicy: "Never",
    command: ["/usr/bin/node", "-e", "setInterval(() => {}, 1e9)"],
    volumeMounts: [
      ...Object.entries(folders).map(([volume, mountPath]) => ({ name: volume, mountPath, readOnly: true })),
      { name: "program", mountPath: "/pod-names.mjs", readOnly: true },
    ],
  };
  const volumes = [
    ...Object.entries(folders).map(([volume, path]) => ({ name: volume, hostPath: { path, type: "Directory" } })),
    { name: "program", hostPath: { path: `/${POD_NAMES}`, type: "File" } },
  ];
  return deploymentWith(name, { terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers: [main, names], volumes });
}

/** The devices of a pod by the names that Kata makes, with their device nodes. */
export async function podNames(cluster: Cluster, pod: string): Promise<Readonly<Record<string, readonly string[] | null>>> {
  const argv = ["/usr/bin/node", "/pod-names.mjs", `${PODRESOURCES}/kubelet.sock`, CDI, "default", pod];
  return JSON.parse((await cluster.kubectl(["exec", pod, "-c", "names", "--", ...argv])).stdout) as Record<string, readonly string[] | null>;
}

/** What the pod's environment gives, as KubeVirt reads it. */
export function givenIn(log: string): { readonly address: string; readonly node: string } {
  const [address, node] = [new RegExp(`^${VARIABLE}=(\\S+)$`, "m"), /^node=(\S+)$/m].map((line) => line.exec(log)?.[1]);
  if (address === undefined || node === undefined) throw new Error(`${VARIABLE} or node are not in: ${log}`);
  return { address, node };
}

/** A command for the monitor of the machine that runs in the pod. */
export async function monitor(cluster: Cluster, pod: string, command: string): Promise<void> {
  await cluster.kubectl(["exec", pod, "-c", "main", "--", "sh", "-c", `echo '{"execute":"${command}"}{"execute":"query-status"}' > /tmp/qmp`]);
}
