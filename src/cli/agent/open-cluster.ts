// SPDX-License-Identifier: Apache-2.0
import { stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Cluster } from "../../cluster/node/cluster.ts";
import type { Log } from "../../runtime/log.ts";
import { type Metrics, noMetrics } from "../../runtime/metrics.ts";
import type { Context } from "../context.ts";
import type { Environment } from "../environment.ts";

export interface ClusterRequest {
  readonly node: string;
  /** Null: the pod's service account, else $KUBECONFIG, else ~/.kube/config. */
  readonly kubeconfig: string | null;
  readonly context: Context;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Slices and claims are watched, too. */
  readonly dra?: boolean;
  readonly onFatal?: (thrown: unknown) => void;
}

/** The API server, not connected yet. The one place that loads src/cluster. @throws CONFIG_INVALID when no API server is named */
export async function openCluster({ node, kubeconfig, context, log, metrics, dra = false, onFatal }: ClusterRequest): Promise<Cluster> {
  const [{ openAccess }, { createCluster }] = await Promise.all([
    import("../../cluster/transport/api-access.ts"),
    import("../../cluster/node/cluster.ts"),
  ]);
  const { clock, environment } = context;
  const { service } = environment;
  // A flag goes before the service account, the service account before what an interactive shell has set.
  const ofShell = service === null ? await filesOfShell(environment) : [];
  const access = await openAccess({ kubeconfigs: kubeconfig === null ? ofShell : [kubeconfig], context: null, service, clock });
  const ignore = (): void => undefined;
  return createCluster({ access, node, clock, random: Math.random, log, metrics: metrics ?? noMetrics, dra, onFatal: onFatal ?? ignore });
}

/** As kubectl finds them: the files of $KUBECONFIG, taken together, else ~/.kube/config where it is. */
export async function filesOfShell({ kubeconfig, home }: Pick<Environment, "kubeconfig" | "home">): Promise<readonly string[]> {
  const named = (kubeconfig ?? "").split(delimiter).filter((file) => file !== "");
  if (named.length > 0 || home === null) return named;
  const own = join(home, ".kube", "config");
  return (await stat(own).catch(() => null)) === null ? [] : [own];
}
