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
  writeConfig(folder, { ...COMMON_CONFIG, ...clusterConfig(authority), ...serving, cgroupRoot: spec.cgroupRoot });
  return [
    join(spec.binaries, "kubelet"),
    `--config=${join(seenFolder, "kubelet.json")}`,
    `--kubeconfig=${join(seenFolder, "kubelet.kubeconfig")}`,
    `--hostname-override=${spec.nodeName}`,
    // Without an address that is not loopback, the node has none, and exec and logs fail.
    `--node-ip=${spec.address}`,
  ];
}

/** Writes the configuration of a kubelet without an API server, whose pods are the manifests in `staticPods`; returns the command that starts it. */
export function writeStandaloneKubelet(spec: Omit<KubeletSpec, "address"> & { readonly staticPods: string }): string[] {
  const { binaries, folder, nodeName, cgroupRoot, staticPods } = spec;
  // There is no API server to ask who calls, and what that caller may do; so nothing is served over the network.
  const served = { enableServer: false, authentication: { webhook: { enabled: false } }, authorization: { mode: "AlwaysAllow" } };
  writeConfig(folder, { ...COMMON_CONFIG, ...served, cgroupRoot, staticPodPath: staticPods });
  return [join(binaries, "kubelet"), `--config=${join(folder, "kubelet.json")}`, `--hostname-override=${nodeName}`];
}

function writeConfig(folder: string, config: Readonly<Record<string, unknown>>): void {
  writeFileSync(join(folder, "kubelet.json"), JSON.stringify(config, null, 2));
}

function clusterConfig(authority: KubeletFiles["authority"]): Record<string, unknown> {
  return {
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: authority.certificateFile } },
    authorization: { mode: "Webhook" },
    clusterDNS: ["10.96.0.10"],
    clusterDomain: "cluster.local",
    // The default of 10 s is how late a change of allocatable would show.
    nodeStatusUpdateFrequency: "1s",
  };
}

const COMMON_CONFIG = {
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
  cgroupDriver: "cgroupfs",
  failCgroupV1: false,
  failSwapOn: false,
  makeIPTablesUtilChains: false,
  // Lowering it, as kubelet would, needs CAP_SYS_RESOURCE, which root does not have everywhere.
  oomScoreAdj: 0,
  // The machine's disk is shared with whatever else runs there: its filling up is not the tests' subject.
  evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%" },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  shutdownGracePeriod: "0s",
};
