// SPDX-License-Identifier: Apache-2.0
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { AppError } from "../../runtime/errors.ts";
import { type ApiAccess, rereadFile } from "./credentials.ts";
import { kubeconfigAccess } from "./kubeconfig.ts";

export interface AccessOptions {
  /** Path of a kubeconfig; null: the pod's own service account. */
  readonly kubeconfig: string | null;
  /** Context of the kubeconfig; null: its current one. */
  readonly context: string | null;
  /** KUBERNETES_SERVICE_HOST and _PORT; null: not in a pod. */
  readonly service: { readonly host: string; readonly port: string } | null;
  readonly clock: Clock;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The API server that the options name. @throws CONFIG_INVALID when they name none, or the kubeconfig is wrong */
export async function openAccess(options: AccessOptions): Promise<ApiAccess> {
  if (options.kubeconfig !== null) return kubeconfigAccess(options.kubeconfig, options.context, options.clock);
  if (options.service !== null) return serviceAccountAccess(options.service, SERVICE_ACCOUNT, options.clock);
  throw new AppError("CONFIG_INVALID", "no API server: give --kubeconfig FILE, or run in a pod with a service account");
}

/** The pod's own service account: token and CA from `folder`, read again as kubelet rotates them. */
export function serviceAccountAccess(service: { host: string; port: string }, folder: string, clock: Clock): ApiAccess {
  const host = isIPv6(service.host) ? `[${service.host}]` : service.host;
  const token = rereadFile(join(folder, "token"), clock);
  const ca = rereadFile(join(folder, "ca.crt"), clock);
  return {
    server: `https://${host}:${service.port}`,
    async credentials() {
      const tls = { ca: await ca(), cert: null, key: null, serverName: null, insecure: false };
      return { authorization: `Bearer ${(await token()).trim()}`, tls };
    },
  };
}
