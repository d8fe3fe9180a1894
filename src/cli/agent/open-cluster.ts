// SPDX-License-Identifier: Apache-2.0
import { delimiter } from "node:path";
import { valueText } from "../../api/problem.ts";
import type { Cluster } from "../../cluster/node/cluster.ts";
import { AppError } from "../../runtime/errors.ts";
import type { Log } from "../../runtime/log.ts";
import { type Metrics, noMetrics } from "../../runtime/metrics.ts";
import type { Context } from "../context.ts";

export interface ClusterRequest {
  readonly node: string;
  /** Null: the pod's service account, else $KUBECONFIG. */
  readonly kubeconfig: string | null;
  readonly context: Context;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly onFatal?: (thrown: unknown) => void;
}

/** The API server, not connected yet. The one place that loads src/cluster. @throws CONFIG_INVALID when no API server is named */
export async function openCluster({ node, kubeconfig, context, log, metrics, onFatal }: ClusterRequest): Promise<Cluster> {
  const [{ openAccess }, { createCluster }] = await Promise.all([
    import("../../cluster/transport/api-access.ts"),
    import("../../cluster/node/cluster.ts"),
  ]);
  const { clock, environment } = context;
  const { service } = environment;
  // A flag goes before the service account, the service account before what an interactive shell has set.
  const file = kubeconfig ?? (service === null ? oneFileOf(environment.kubeconfig) : null);
  const access = await openAccess({ kubeconfig: file, context: null, service, clock });
  const ignore = (): void => undefined;
  return createCluster({ access, node, clock, random: Math.random, log, metrics: metrics ?? noMetrics, onFatal: onFatal ?? ignore });
}

/** kubectl merges the files of a list; here one of them would stand for all. @throws CONFIG_INVALID */
export function oneFileOf(list: string | null): string | null {
  const files = (list ?? "").split(delimiter).filter((file) => file !== "");
  if (files.length < 2) return files[0] ?? null;
  throw new AppError("CONFIG_INVALID", `KUBECONFIG is ${valueText(list)}: name one file, there or with --kubeconfig: a list of files is not merged`);
}
