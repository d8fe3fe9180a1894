// SPDX-License-Identifier: Apache-2.0
// What is built from which module, and with which flags: all that decides what the programs are.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** One module of `modules/`: its folder's name, the packages built from it, and its linker flags. */
export interface Upstream {
  readonly module: string;
  readonly packages: readonly string[];
  readonly ldflags: string;
}

/** The version every Kubernetes component reports. Without the flags below they call themselves v0.0.0, and kubelet's and
 *  the API server's version checks then compare against that. */
export const KUBERNETES_VERSION = "v1.37.2";

const KUBERNETES_STAMP = [
  `-X k8s.io/component-base/version.gitVersion=${KUBERNETES_VERSION}`,
  "-X k8s.io/component-base/version.gitMajor=1",
  "-X k8s.io/component-base/version.gitMinor=37",
  "-X k8s.io/component-base/version.gitTreeState=clean",
].join(" ");

/** Everything the cluster tests build, cheapest module first, so that a broken toolchain shows early. */
export const UPSTREAMS: readonly Upstream[] = [
  { module: "kubeconform", packages: ["github.com/yannh/kubeconform/cmd/kubeconform"], ldflags: "-s -w" },
  { module: "etcd", packages: ["go.etcd.io/etcd/server/v3"], ldflags: "-s -w" },
  {
    module: "containerd",
    packages: ["containerd", "containerd-shim-runc-v2", "ctr"].map((name) => `github.com/containerd/containerd/v2/cmd/${name}`),
    ldflags: "-s -w -X github.com/containerd/containerd/v2/version.Version=v2.4.2",
  },
  {
    module: "kubernetes",
    packages: ["kube-apiserver", "kubelet", "kube-controller-manager", "kube-scheduler", "kubectl"].map((name) => `k8s.io/kubernetes/cmd/${name}`),
    ldflags: `-s -w ${KUBERNETES_STAMP}`,
  },
  { module: "helm", packages: ["helm.sh/helm/v4/cmd/helm"], ldflags: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1" },
];

/** Flags of every `go build`. The work tree's state must not get into the programs: the key below does not know it. */
export const BUILD_FLAGS: readonly string[] = ["-trimpath", "-buildvcs=false", "-mod=readonly"];

/** Environment variables set for every `go build`: pure Go, and no flags or workspaces of the user's own. */
export const BUILD_ENVIRONMENT: Readonly<Record<string, string>> = { CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };

/** Names of the programs a complete folder holds. */
export function programNames(): string[] {
  return UPSTREAMS.flatMap((upstream) => upstream.packages.map(programName));
}

/** What a package's program is called: the last part of its path that is not a major version; etcd's package is `server`. */
export function programName(path: string): string {
  const last = path.split("/").findLast((part) => !/^v\d+$/.test(part)) ?? path;
  return last === "server" ? "etcd" : last;
}

/** Where a module's `go.mod` is. */
export function moduleFolder(module: string): string {
  return join(fileURLToPath(new URL("modules", import.meta.url)), module);
}

/** The key under which built programs are cached: it changes with any `go.mod` or `go.sum`, with any flag and with the Go version. */
export function cacheKey(goVersion: string): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([goVersion, BUILD_FLAGS, BUILD_ENVIRONMENT, UPSTREAMS]));
  for (const { module } of UPSTREAMS) {
    for (const file of ["go.mod", "go.sum"]) hash.update(readFileSync(join(moduleFolder(module), file)));
  }
  return hash.digest("hex").slice(0, 16);
}
