// SPDX-License-Identifier: Apache-2.0
import type { AgentPorts } from "../../agent/ports.ts";
import type { ClaimsPort, SlicesPort } from "../../cluster/dra/port.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import type { ClusterSource } from "../config/agent-config.ts";
import type { KubeletPaths } from "../config/node-config.ts";
import type { AgentTools } from "./agent-tools.ts";

/** Where the intent comes from and where the status goes. */
export interface BuiltSource extends Pick<AgentPorts, "intent" | "status" | "pods"> {
  /** Null where DRA is not asked for, or there is no API server. */
  readonly slices: SlicesPort | null;
  readonly claims: ClaimsPort | null;
  /** Of the manifest or of --node; empty before there was a good manifest. */
  readonly nodeName: () => string;
  readonly parts: readonly Part[];
  readonly jobs: () => readonly JobHealth[];
}

/** A request in flight is ended, not waited for. */
const STOP_WITHIN_MS = 5_000;

/** Manifest and status file, or the API server: never both, and only one of them is loaded. */
export function buildSource(tools: AgentTools): Promise<BuiltSource> {
  const { source } = tools.config;
  return source.kind === "Cluster" ? buildCluster(tools, source) : buildStandalone(tools, source);
}

async function buildStandalone(
  { context, log, config }: AgentTools,
  paths: { readonly manifest: string; readonly status: string },
): Promise<BuiltSource> {
  const [{ createManifestIntent }, { createStatusFile }] = await Promise.all([
    import("../../standalone/manifest-intent.ts"),
    import("../../standalone/status-file.ts"),
  ]);
  const { clock } = context;
  const own = log.child({ part: "standalone" });
  const intent = createManifestIntent({ path: paths.manifest, clock, log: own });
  return {
    intent,
    status: createStatusFile({
      path: paths.status,
      clock,
      node: () => intent.nodeName(),
      intent: () => intent.current()?.intent ?? null,
      // There is no place to tell it but the log, in which the agent itself has written it.
      onEvent: () => undefined,
    }),
    nodeName: () => intent.nodeName(),
    pods: await buildPods(config.kubelet),
    slices: null,
    claims: null,
    parts: [{ name: "manifest", start: (signal) => intent.start(signal), stop: () => intent.stop(), stopWithinMs: STOP_WITHIN_MS }],
    jobs: () => [],
  };
}

/** Without an API server kubelet's own checkpoint says which pods have devices. */
async function buildPods(kubelet: KubeletPaths | null): Promise<AgentPorts["pods"]> {
  if (kubelet === null) return { isLocal: false, observe: async () => ({ kind: "None" }) };
  const { readCheckpoint } = await import("../../kubelet/podresources/checkpoint.ts");
  const places = { deviceDir: kubelet.deviceDir, procDir: "/proc" };
  return { isLocal: true, observe: (domains, known) => readCheckpoint(places, { domains, known }) };
}

async function buildCluster({ context, log, metrics, config, onFatal }: AgentTools, source: ClusterSource): Promise<BuiltSource> {
  const { openCluster } = await import("./open-cluster.ts");
  const own = log.child({ part: "cluster" });
  const cluster = await openCluster({
    node: source.node,
    kubeconfig: source.kubeconfig,
    context,
    log: own,
    metrics,
    dra: config.kubelet?.dra != null,
    onFatal,
  });
  return {
    intent: cluster.intent,
    status: cluster.status,
    pods: cluster.pods,
    slices: cluster.slices,
    claims: cluster.claims,
    nodeName: () => source.node,
    parts: [{ name: "cluster", start: () => cluster.start(), stop: () => cluster.stop(), stopWithinMs: STOP_WITHIN_MS }],
    jobs: () => cluster.jobs.health(),
  };
}
