// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { AgentOptions, AgentPorts } from "../../agent/ports.ts";
import { SPEC_LEVEL } from "../../api/spec-levels.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import { createJournal, type Journal } from "../../runtime/journal.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import { makePrivateFolder } from "../../runtime/private-folder.ts";
import { proofsFolder } from "../config/node-config.ts";
import { VERSION } from "../version.ts";
import type { AgentTools } from "./agent-tools.ts";
import { buildAudit } from "./build-audit.ts";
import { buildBinds } from "./build-binds.ts";
import { buildDra } from "./build-dra.ts";
import { buildDriver } from "./build-driver.ts";
import { buildHost } from "./build-host.ts";
import { buildKubelet } from "./build-kubelet.ts";
import { buildLinks } from "./build-links.ts";
import { buildSource } from "./build-source.ts";

export interface BuiltPorts {
  readonly nodeName: () => string;
  readonly ports: AgentPorts;
  readonly options: Omit<AgentOptions, "logsChanges">;
  /** What has to be started before the agent and stopped after it, in order. */
  readonly parts: readonly Part[];
  /** Jobs of the adapters, for health. */
  readonly jobs: () => readonly JobHealth[];
}

/** The whole tree is read at least this often: bounds what a lost wake-up costs, and costs 20 ms for a large host. */
const OBSERVE_EVERY_MS = 30_000;

/** The proof file, in a folder of the agent's own beside the lock. Who only looks makes no folder. */
function buildProofs({ config, readOnly = false }: AgentTools): Journal {
  const prepareFolder = async (folder: string): Promise<void> => {
    if (!readOnly) await makePrivateFolder(folder);
  };
  return createJournal({ path: join(proofsFolder(config.lock), "agent"), prepareFolder });
}

/**
 * The agent's ports from its configuration. What a configuration does not use is not loaded: no API client without --node, no gRPC without a
 * kubelet. Nothing is started and nothing connected yet.
 */
export async function buildPorts(tools: AgentTools): Promise<BuiltPorts> {
  const { config, context, random, log, metrics, onFatal } = tools;
  const [driver, kubelet, source] = await Promise.all([buildDriver(config, tools.readOnly ?? false), buildKubelet(tools), buildSource(tools)]);
  const dra = await buildDra(tools, source);
  return {
    nodeName: source.nodeName,
    ports: {
      clock: context.clock,
      random,
      log,
      metrics,
      host: await buildHost(config, log),
      openSeamcall: driver.open,
      loads: driver.loads,
      links: buildLinks(config, context.clock),
      binds: buildBinds(config, context.clock),
      devicePlugins: kubelet.devicePlugins,
      cdi: kubelet.cdi,
      podResources: kubelet.podResources,
      pods: source.pods,
      intent: source.intent,
      status: source.status,
      dra: dra.dra,
      proofs: buildProofs(tools),
      audit: buildAudit(tools),
      onFatal,
    },
    options: {
      agent: { version: VERSION, specLevel: SPEC_LEVEL },
      driver: driver.driver,
      settleMs: config.settleMs,
      observeEveryMs: OBSERVE_EVERY_MS,
    },
    parts: [...source.parts, ...kubelet.parts, ...dra.parts],
    jobs: () => [...source.jobs(), ...kubelet.jobs(), ...dra.jobs()],
  };
}
