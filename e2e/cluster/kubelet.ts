// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONTAINERD_SOCKET } from "./containerd.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import type { Authority } from "./pki.ts";

/** What a node's kubelet is configured with. */
export interface KubeletSpec {
  readonly nodeName: string;
  readonly address: string;
  readonly binaries: string;
  /** The node's own folder, for certificates and configuration. */
  readonly folder: string;
  /** The node's group below each cgroup hierarchy, e.g. `/trusted-iommu-ab12-n1`. */
  readonly cgroupRoot: string;
}

/** Writes a kubelet's certificate, kubeconfig and configuration; returns the command that starts it.
 *  Its identity is the one a real kubelet has (system:node:NAME), so that the node authorizer and NodeRestriction judge it. */
export async function prepareKubelet(authority: Authority, spec: KubeletSpec): Promise<string[]> {
  const certificate = await authority.issue(`kubelet-${spec.nodeName}`, {
    commonName: `system:node:${spec.nodeName}`,
    organizations: ["system:nodes"],
    alternativeNames: [`DNS:${spec.nodeName}`, `IP:${spec.address}`],
  });
  const kubeconfig = join(spec.folder, "kubelet.kubeconfig");
  const configFile = join(spec.folder, "kubelet.json");
  writeKubeconfig(kubeconfig, authority, { certificate });
  const serving = { tlsCertFile: certificate.certificateFile, tlsPrivateKeyFile: certificate.keyFile };
  writeFileSync(configFile, JSON.stringify({ ...kubeletConfig(authority, spec), ...serving }, null, 2));
  return [
    join(spec.binaries, "kubelet"),
    `--config=${configFile}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${spec.nodeName}`,
    // Without an address that is not loopback, the node has none, and exec and logs fail.
    `--node-ip=${spec.address}`,
  ];
}

function kubeletConfig(authority: Authority, spec: KubeletSpec): Record<string, unknown> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: authority.certificateFile } },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: spec.cgroupRoot,
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    // Lowering it, as kubelet would, needs CAP_SYS_RESOURCE, which root does not have everywhere.
    oomScoreAdj: 0,
    clusterDNS: ["10.96.0.10"],
    clusterDomain: "cluster.local",
    // The default of 10 s is how late a change of allocatable would show.
    nodeStatusUpdateFrequency: "1s",
    // The machine's disk is shared with whatever else runs there: its filling up is not the tests' subject.
    evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    shutdownGracePeriod: "0s",
  };
}
