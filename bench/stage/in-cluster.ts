// SPDX-License-Identifier: Apache-2.0

/** The ways of an agent to an API server: as in a pod, by its service account, and outside of one, by a kubeconfig. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TLS } from "../../test/support/tls.ts";
import type { ApiStandIn } from "./api-stand-in.ts";
import type { AgentSource } from "./stage.ts";

const NODE = ["--node", "bench"];

/**
 * Kubelet puts a service account where the agent looks for it, and no other place can be named. So the agent gets a mount namespace with a /run of its
 * own, which needs root or unprivileged user namespaces.
 */
const IN_A_POD = `
account=/var/run/secrets/kubernetes.io/serviceaccount
mount -t tmpfs tmpfs "$(readlink -f /var/run)"
mkdir -p "$account"
cp "$0/token" "$0/ca.crt" "$account/"
exec "$@"`;

export function podSource(folder: string, api: ApiStandIn): AgentSource {
  const account = join(folder, "account");
  mkdirSync(account);
  writeFileSync(join(account, "token"), "bench");
  writeFileSync(join(account, "ca.crt"), TLS.ca);
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  return {
    words: NODE,
    before: ["unshare", ...user, "--mount", "sh", "-ec", IN_A_POD, account],
    environment: { KUBERNETES_SERVICE_HOST: api.host, KUBERNETES_SERVICE_PORT: String(api.port) },
  };
}

export function kubeconfigSource(folder: string, api: ApiStandIn): AgentSource {
  const path = join(folder, "kubeconfig.yaml");
  const server = `https://${api.host}:${api.port}`;
  const authority = Buffer.from(TLS.ca).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "bench",
    clusters: [{ name: "bench", cluster: { server, "certificate-authority-data": authority } }],
    users: [{ name: "bench", user: { token: "bench" } }],
    contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
  };
  writeFileSync(path, JSON.stringify(config));
  return { words: [...NODE, "--kubeconfig", path] };
}
