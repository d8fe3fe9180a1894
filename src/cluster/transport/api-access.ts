// SPDX-License-Identifier: Apache-2.0
import { Agent } from "node:https";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { AppError } from "../../runtime/errors.ts";
import { type ApiAccess, createAgentPool, rereadFile } from "./credentials.ts";

export interface AccessOptions {
  /** Paths of kubeconfigs that are taken together; none: the pod's own service account. */
  readonly kubeconfigs: readonly string[];
  /** Context of the kubeconfigs; null: the current one. */
  readonly context: string | null;
  /** KUBERNETES_SERVICE_HOST and _PORT; null: not in a pod. */
  readonly service: { readonly host: string; readonly port: string } | null;
  readonly clock: Clock;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The API server that the options name. @throws CONFIG_INVALID when they name none, or a kubeconfig is wrong */
export async function openAccess({ kubeconfigs, context, service, clock }: AccessOptions): Promise<ApiAccess> {
  if (kubeconfigs.length > 0) {
    const { kubeconfigAccess } = await import("./kubeconfig.ts");
    return kubeconfigAccess({ files: kubeconfigs, context, clock });
  }
  if (service !== null) return serviceAccountAccess(service, SERVICE_ACCOUNT, clock);
  throw new AppError(
    "CONFIG_INVALID",
    "no API server: there is neither $KUBECONFIG nor ~/.kube/config, and this is no pod with a service account; give --kubeconfig FILE",
  );
}

/** The pod's own service account: token and CA from `folder`, read again as kubelet rotates them. */
export function serviceAccountAccess(service: { host: string; port: string }, folder: string, clock: Clock): ApiAccess {
  const host = isIPv6(service.host) ? `[${service.host}]` : service.host;
  const token = rereadFile(join(folder, "token"), clock);
  const ca = rereadFile(join(folder, "ca.crt"), clock);
  const pool = createAgentPool(async (authority: string) => new Agent({ keepAlive: true, ca: authority }));
  return {
    server: `https://${host}:${service.port}`,
    async credentials() {
      return { headers: { Authorization: `Bearer ${(await token()).trim()}` }, agent: await pool.agent(await ca()) };
    },
    // Kubelet replaces the token long before its end: nothing is kept that the next minute would not bring.
    refused: () => undefined,
    close: () => pool.close(),
  };
}
