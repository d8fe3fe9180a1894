// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { writeKubeconfig } from "./kubeconfig.ts";
import { type Namespace, openNamespace } from "./namespace.ts";
import { API_SERVER_SERVICE_ADDRESS, API_SERVER_URL, CONTROL_PLANE_ADDRESS, createBridge, SERVICE_RANGE } from "./network.ts";
import { type Authority, createAuthority } from "./pki.ts";
import type { Program } from "./program.ts";
import type { RunFolder } from "./run-folder.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** A running control plane. */
export interface ControlPlane {
  readonly namespace: Namespace;
  readonly authority: Authority;
  /** What has to run; for `assertRunning`. */
  programs(): readonly Program[];
  /** `kill -9`, then a new one with `more` beside its own flags. An API server answers when this returns. */
  restart(name: Restartable, more?: readonly string[]): Promise<void>;
  /** The administrator's kubeconfig: for the harness, never for agents. */
  readonly kubeconfig: string;
}

/** What can be killed and comes back: etcd would lose what it does not write to disk. */
export type Restartable = "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";

/** What a control plane is started from. */
export interface ControlPlaneSpec {
  readonly binaries: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts etcd, the API server, the controllers and the scheduler, and waits until the API server is ready. */
export async function startControlPlane(run: RunFolder, spec: ControlPlaneSpec): Promise<ControlPlane> {
  const pkiFolder = run.makeFolder("pki");
  const [authority, namespace] = await Promise.all([
    createAuthority(pkiFolder),
    openNamespace(run, { name: "control-plane", setup: [], env: spec.env }),
  ]);
  const program = (name: string): string => join(spec.binaries, name);
  const etcd = namespace.start("etcd", [program("etcd"), ...etcdFlags(run.makeFolder("etcd"))]);
  const [flags] = await Promise.all([apiServerFlags(authority), createBridge(namespace)]);
  const kubeconfig = join(run.scratch, "admin.kubeconfig");
  const own: Readonly<Record<Restartable, readonly string[]>> = {
    "kube-apiserver": flags,
    "kube-controller-manager": controllerFlags(authority, kubeconfig),
    "kube-scheduler": [`--kubeconfig=${kubeconfig}`, "--leader-elect=false"],
  };
  const running = new Map<Restartable, Program>();
  const programs = (): readonly Program[] => [etcd, ...running.values()];
  const start = (name: Restartable, more: readonly string[] = []): void => {
    running.set(name, namespace.start(name, [program(name), ...own[name], ...more]));
  };
  const isServing = (): Promise<void> => waitForApiServer(namespace, [program("kubectl"), "--kubeconfig", kubeconfig], programs());

  start("kube-apiserver");
  const certificate = await authority.issue("admin", { commonName: "e2e-admin", organizations: ["system:masters"] });
  writeKubeconfig(kubeconfig, authority, { certificate });
  await isServing();
  start("kube-controller-manager");
  start("kube-scheduler");
  const restart: ControlPlane["restart"] = async (name, more) => {
    await running.get(name)?.stop("kill");
    start(name, more);
    if (name === "kube-apiserver") await isServing();
  };
  return { namespace, authority, kubeconfig, programs, restart };
}

function etcdFlags(folder: string): string[] {
  const client = "http://127.0.0.1:2379";
  // Nothing of a test's cluster has to survive a power cut.
  return [`--data-dir=${folder}`, "--unsafe-no-fsync", `--listen-client-urls=${client}`, `--advertise-client-urls=${client}`];
}

async function apiServerFlags(authority: Authority): Promise<string[]> {
  const names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
  const addresses = ["127.0.0.1", CONTROL_PLANE_ADDRESS, API_SERVER_SERVICE_ADDRESS];
  const alternativeNames = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)];
  const [serving, toKubelet] = await Promise.all([
    authority.issue("kube-apiserver", { commonName: "kube-apiserver", alternativeNames }),
    authority.issue("kube-apiserver-to-kubelet", { commonName: "kube-apiserver", organizations: ["system:masters"] }),
  ]);
  return [
    "--etcd-servers=http://127.0.0.1:2379",
    "--bind-address=0.0.0.0",
    "--secure-port=443",
    `--advertise-address=${CONTROL_PLANE_ADDRESS}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    `--client-ca-file=${authority.certificateFile}`,
    `--tls-cert-file=${serving.certificateFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    `--kubelet-certificate-authority=${authority.certificateFile}`,
    `--kubelet-client-certificate=${toKubelet.certificateFile}`,
    `--kubelet-client-key=${toKubelet.keyFile}`,
    "--kubelet-preferred-address-types=InternalIP",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${authority.serviceAccountKeyFile}`,
    `--service-account-signing-key-file=${authority.serviceAccountKeyFile}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    // Webhooks and aggregated API servers are dialled at their pods' addresses: there is no kube-proxy.
    "--enable-aggregator-routing=true",
  ];
}

/** With the administrator's rights instead of one service account per controller, the default ServiceAccount is there in half the time. */
function controllerFlags(authority: Authority, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${authority.serviceAccountKeyFile}`,
    `--root-ca-file=${authority.certificateFile}`,
    "--leader-elect=false",
  ];
}

async function waitForApiServer(namespace: Namespace, kubectl: readonly string[], programs: readonly Program[]): Promise<void> {
  const look = async (): Promise<Look<true>> => {
    for (const program of programs) program.assertRunning();
    const answer = await namespace.tryRun([...kubectl, "get", "--raw", "/readyz"]);
    return answer.code === 0 ? met(true) : notYet(answer.stderr.trim());
  };
  await waitUntil(`the API server at ${API_SERVER_URL}`, look, { deadlineMs: 90_000 });
}
