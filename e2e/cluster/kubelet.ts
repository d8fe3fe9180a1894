// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONTAINERD_SOCKET } from "./containerd.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import type { Authority, Certificate } from "./pki.ts";

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
  const certificate = await issueKubeletCertificate(authority, spec);
  return writeKubelet({ folder: spec.folder, seenFolder: spec.folder, authority, certificate }, spec);
}

/** The certificate of a kubelet, for calling the API server and for serving it. */
export function issueKubeletCertificate(authority: Authority, node: Pick<KubeletSpec, "nodeName" | "address">): Promise<Certificate> {
  return authority.issue(`kubelet-${node.nodeName}`, {
    commonName: `system:node:${node.nodeName}`,
    organizations: ["system:nodes"],
    alternativeNames: [`DNS:${node.nodeName}`, `IP:${node.address}`],
  });
}

/** Where a kubelet's files are written, and where it will find them: not the same when it runs on another machine. */
export interface KubeletFiles {
  readonly folder: string;
  readonly seenFolder: string;
  /** The two as the kubelet sees them. */
  readonly authority: Pick<Authority, "certificateFile">;
  readonly certificate: Certificate;
}

/** Writes a kubelet's kubeconfig and configuration; returns the command that starts it. */
export function writeKubelet(files: KubeletFiles, spec: Omit<KubeletSpec, "folder">): string[] {
  const { folder, seenFolder, authority, certificate } = files;
  writeKubeconfig(join(folder, "kubelet.kubeconfig"), authority, { certificate });
  const serving = { tlsCertFile: certificate.certificateFile, tlsPrivateKeyFile: certificate.keyFile };
  writeFileSync(join(folder, "kubelet.json"), JSON.stringify({ ...kubeletConfig(authority, spec), ...serving }, null, 2));
  return [
    join(spec.binaries, "kubelet"),
    `--config=${join(seenFolder, "kubelet.json")}`,
    `--kubeconfig=${join(seenFolder, "kubelet.kubeconfig")}`,
    `--hostname-override=${spec.nodeName}`,
    // Without an address that is not loopback, the node has none, and exec and logs fail.
    `--node-ip=${spec.address}`,
  ];
}

function kubeletConfig(authority: KubeletFiles["authority"], spec: Pick<KubeletSpec, "cgroupRoot">): Record<string, unknown> {
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
