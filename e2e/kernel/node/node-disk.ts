// SPDX-License-Identifier: Apache-2.0
// The disk of a node of one cluster: its identity, its configuration, and its images.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../cluster/cluster.ts";
import { CONTAINERD_SOCKET, renderCniConfig, renderContainerdConfig } from "../../cluster/containerd.ts";
import { issueKubeletCertificate, writeKubelet } from "../../cluster/kubelet.ts";
import { nodeAddress, nodeNetwork, podRange } from "../../cluster/network.ts";
import { findProgram } from "../../cluster/packages.ts";
import { BUSYBOX_IMAGE } from "../../image/busybox-image.ts";
import type { Contents } from "../vm/initramfs.ts";
import { finishDisk, layOut } from "./disk.ts";
import { seedImages } from "./seed.ts";

export interface NodeDiskSpec {
  readonly name: string;
  /** Decides the node's addresses. */
  readonly index: number;
  /** A busybox that needs no library. */
  readonly busybox: string;
  /** Where this machine's programs are looked for. */
  readonly searchPath: string;
  /** OCI archives beside the cluster's own. */
  readonly archives: readonly string[];
  readonly contents: Contents;
}

/** The node's identity, as a real node's set-up names the files. */
const PKI = "etc/kubernetes/pki";
const SEEN = { certificateFile: `/${PKI}/ca.crt`, certificate: { certificateFile: `/${PKI}/kubelet.crt`, keyFile: `/${PKI}/kubelet.key` } };

/** Makes a disk in `folder` and returns its file. A few seconds, and less than 1 GB. @throws when a program is missing or fails */
export async function makeNodeDisk(cluster: Cluster, folder: string, spec: NodeDiskSpec): Promise<string> {
  const { binaries, controlPlane } = cluster;
  const root = join(folder, "root");
  const runc = findProgram("runc", spec.searchPath);
  if (runc === null) throw new Error("runc is not in PATH");
  const contents = { ...(await identityFiles(cluster, spec)), ...spec.contents };
  await layOut(root, { busybox: spec.busybox, runc, binaries, contents, texts: configuration(spec) });
  const { name: nodeName, index } = spec;
  const files = { folder: join(root, "etc/kubernetes"), seenFolder: "/etc/kubernetes", authority: SEEN, certificate: SEEN.certificate };
  const kubelet = writeKubelet(files, { nodeName, address: nodeAddress(index), binaries: "/usr/bin", cgroupRoot: "/" });
  const settings = { NODE_NAME: nodeName, CONTAINERD_SOCKET, KUBELET: kubelet.join(" ") };
  writeFileSync(
    join(root, "etc/node/settings"),
    Object.entries(settings)
      .map(([key, value]) => `${key}='${value}'\n`)
      .join(""),
  );
  mkdirSync(join(root, "var/lib"), { recursive: true });
  const archives = [...cluster.archives, ...spec.archives];
  await seedImages(controlPlane.namespace, join(root, "var/lib/containerd"), { binaries, archives, workFolder: folder });
  const disk = join(folder, "disk.img");
  await finishDisk(root, disk);
  rmSync(root, { recursive: true, force: true });
  return disk;
}

async function identityFiles({ controlPlane }: Cluster, { name, index }: NodeDiskSpec): Promise<Contents> {
  const certificate = await issueKubeletCertificate(controlPlane.authority, { nodeName: name, address: nodeAddress(index) });
  return {
    [`${PKI}/ca.crt`]: controlPlane.authority.certificateFile,
    [`${PKI}/kubelet.crt`]: certificate.certificateFile,
    [`${PKI}/kubelet.key`]: certificate.keyFile,
  };
}

function configuration({ index }: NodeDiskSpec): Readonly<Record<string, string>> {
  const place = { pauseImage: BUSYBOX_IMAGE, runc: "/usr/bin/runc", rootFolder: "/var/lib/containerd", cniFolder: "/etc/cni/net.d" };
  return {
    "etc/containerd/config.toml": renderContainerdConfig(place),
    "etc/cni/net.d/10-e2e.conflist": renderCniConfig(podRange(index)),
    // It is the last of the nodes.
    "etc/node/network": nodeNetwork({ index, nodeCount: index })
      .map((line) => `${line}\n`)
      .join(""),
  };
}
