// SPDX-License-Identifier: Apache-2.0
import type { AgentPorts } from "../../agent/ports.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import { createJobs } from "../../runtime/jobs.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import type { KubeletPaths } from "../config/node-config.ts";
import type { AgentTools } from "./agent-tools.ts";

export interface BuiltKubelet extends Pick<AgentPorts, "devicePlugins" | "cdi" | "podResources"> {
  readonly parts: readonly Part[];
  readonly jobs: () => readonly JobHealth[];
}

/** Stopping the loops waits for a Register in flight, which is bounded by the plugin's own deadline. */
const STOP_WITHIN_MS = 15_000;

/** A machine without kubelet: nothing listens, nothing is in use by pods, no gRPC is loaded. */
const NONE: BuiltKubelet = {
  devicePlugins: null,
  cdi: null,
  podResources: { observe: async () => ({ kind: "None" }) },
  parts: [],
  jobs: () => [],
};

export async function buildKubelet(tools: AgentTools): Promise<BuiltKubelet> {
  const { kubelet, cdiDir } = tools.config;
  if (kubelet === null) return NONE;
  const cdi = cdiDir === null ? null : (await import("../../kubelet/cdi/cdi.ts")).createCdi({ dir: cdiDir });
  return { ...(await buildPlugins(tools, kubelet)), cdi };
}

async function buildPlugins({ context, random, log, metrics, onFatal }: AgentTools, paths: KubeletPaths): Promise<Omit<BuiltKubelet, "cdi">> {
  const [{ sendGrpcLog }, { createDevicePlugins }, { createPodResources }] = await Promise.all([
    import("../../kubelet/grpc-log.ts"),
    import("../../kubelet/device-plugin/device-plugins.ts"),
    import("../../kubelet/podresources/podresources.ts"),
  ]);
  const { clock } = context;
  const own = log.child({ part: "kubelet" });
  sendGrpcLog(own);
  const jobs = createJobs({ owner: "kubelet", clock, log: own, metrics, random, onFatal });
  const podResources = createPodResources({ socketPath: paths.podResources, clock });
  return {
    devicePlugins: (handlers) => createDevicePlugins({ dir: paths.deviceDir, clock, random, log: own, metrics, jobs, handlers }),
    podResources,
    jobs: () => jobs.health(),
    parts: [
      {
        name: "kubelet loops",
        start: () => undefined,
        async stop(cause) {
          await jobs.stop(cause);
          podResources.close();
        },
        stopWithinMs: STOP_WITHIN_MS,
      },
    ],
  };
}
