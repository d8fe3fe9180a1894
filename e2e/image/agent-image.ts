// SPDX-License-Identifier: Apache-2.0
// The agent's image: the one that users build, made by `npm run image` (tools/image), and made again only when its sources have changed.
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { runCommand } from "../cluster/command.ts";

/** Name of the agent's image. */
export const AGENT_IMAGE = `docker.io/library/trusted-iommu:${manifest.version}`;

/** The same name as a chart's values want it: repository and tag are the chart's own. */
export const AGENT_IMAGE_VALUES = { pullPolicy: "Never" } as const;

/** The builder's root file system is downloaded, when there is none in the cache. */
const BUILD_MS = 1_200_000;

/** Builds the image of the project in `root`. @returns its archive. @throws with the builder's words */
export async function agentImage(root: string): Promise<string> {
  await runCommand([process.execPath, join(root, "tools/image/build.ts")], { timeoutMs: BUILD_MS });
  return join(root, `out/image/trusted-iommu-${manifest.version}-amd64.tar`);
}
