// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { deviceEnv, deviceNodesOf } from "../../agent/given.ts";
import type { DraPorts } from "../../agent/ports.ts";
import { DRA_DRIVER } from "../../domain/dra/names.ts";
import { AppError } from "../../runtime/errors.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import { createJobs } from "../../runtime/jobs.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import type { AgentTools } from "./agent-tools.ts";
import type { BuiltSource } from "./build-source.ts";

export interface BuiltDra {
  /** Null: --dra does not ask for it. */
  readonly dra: DraPorts | null;
  readonly parts: readonly Part[];
  readonly jobs: () => readonly JobHealth[];
}

const NONE: BuiltDra = { dra: null, parts: [], jobs: () => [] };
const STOP_WITHIN_MS = 5_000;

/** The ledger of DRA. What is not asked for is not loaded. */
export async function buildDra({ config, context, random, log, metrics, onFatal }: AgentTools, { slices, claims }: BuiltSource): Promise<BuiltDra> {
  const paths = config.kubelet?.dra ?? null;
  if (paths === null) return NONE;
  const { source, cdiDir, driver } = config;
  // node-config.ts refuses --dra without --node, a kubelet and a CDI folder.
  if (slices === null || claims === null || cdiDir === null || source.kind !== "Cluster")
    throw new AppError("INVARIANT_BROKEN", "DRA is asked for without an API server or a CDI folder");
  const [{ createDraPlugin }, { createClaimFiles }] = await Promise.all([
    import("../../kubelet/dra/plugin.ts"),
    import("../../kubelet/dra/claim-files.ts"),
  ]);
  const { clock } = context;
  const own = log.child({ part: "kubelet-dra" });
  const jobs = createJobs({ owner: "kubelet-dra", clock, log: own, metrics, random, onFatal });
  const isSimulated = driver.kind === "Simulated";
  return {
    dra: {
      node: source.node,
      plugin: (handlers) => createDraPlugin({ driver: DRA_DRIVER, ...paths, clock, random, log: own, metrics, jobs, handlers }),
      files: createClaimFiles({
        dir: cdiDir,
        metadataDir: join(paths.pluginDir, "dra-device-metadata"),
        edits: ({ node, simulated }) => ({ deviceNodes: deviceNodesOf(node, isSimulated), env: deviceEnv(simulated) }),
      }),
      slices,
      claims,
    },
    parts: [{ name: "kubelet-dra loops", start: () => undefined, stop: (cause) => jobs.stop(cause), stopWithinMs: STOP_WITHIN_MS }],
    jobs: () => jobs.health(),
  };
}
