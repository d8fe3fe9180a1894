// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { until } from "./looking.ts";
import type { NodeName, Stage } from "./stage.ts";

const NODE = z.object({ status: z.object({ allocatable: z.record(z.string(), z.string()) }) });

/** What a node has to give of the project's resources, by name: what the scheduler counts with. */
export async function ours(stage: Stage, node: NodeName): Promise<Record<string, string>> {
  const seen = await stage.api.get(`/api/v1/nodes/${node}`, NODE);
  return Object.fromEntries(Object.entries(seen?.status.allocatable ?? {}).filter(([name]) => name.startsWith("teeio.dev/")));
}

/** Waits until a node has exactly this to give of the resources named. */
export async function untilAllocatable(stage: Stage, node: NodeName, wanted: Readonly<Record<string, string>>): Promise<void> {
  await until({
    what: `allocatable of ${node}: ${JSON.stringify(wanted)}`,
    read: () => ours(stage, node),
    holds: (seen) => Object.entries(wanted).every(([resource, count]) => seen[resource] === count),
    describe: (seen) => JSON.stringify(seen),
  });
  stage.tell(`allocatable of ${node}: ${JSON.stringify(wanted)}`);
}
