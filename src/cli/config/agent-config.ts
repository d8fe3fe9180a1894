// SPDX-License-Identifier: Apache-2.0
/** The configuration of an agent: the node, and where its intent and its status live. */
import { basename, dirname, join } from "node:path";
import { AppError } from "../../runtime/errors.ts";
import { lockOf, type NodeConfig, nodeConfigOf, refuse, role, rolesOf, type Surroundings, settingsFrom } from "./node-config.ts";
import { type PathRole, pathProblems } from "./path-roles.ts";
import { flagOf, SETTINGS, type Settings } from "./settings.ts";

/** Everything the agent is told, complete and consistent. Paths are absolute. */
export interface AgentConfig extends NodeConfig {
  /** Where intent and status live. */
  readonly source: { readonly kind: "Manifest"; readonly manifest: string; readonly status: string } | ClusterSource;
  /** Folder of the audit log. Null: none is written. */
  readonly audit: string | null;
}

export interface ClusterSource {
  readonly kind: "Cluster";
  readonly node: string;
  /** Null: the pod's service account, or what the API client finds by itself. */
  readonly kubeconfig: string | null;
}

/**
 * The agent's configuration: a flag goes before the config file, the file before the default.
 * @throws CONFIG_INVALID with every problem, each with its place, the value found and what to write instead
 */
export function agentConfig(flags: Readonly<Record<string, unknown>>, around: Surroundings): AgentConfig {
  const { settings, configFile } = settingsFrom(flags, around);
  if (settings.manifest === undefined && settings.node === undefined) throw new AppError("CONFIG_INVALID", NO_SOURCE);
  const config = { ...nodeConfigOf(settings), source: sourceOf(settings), audit: auditOf(settings) };
  const audit = role("Folder", flagOf("audit"), config.audit, settings.audit === undefined);
  refuse(pathProblems([...audit, ...rolesOfSource(config.source, settings), ...rolesOf(config, settings, configFile)]));
  return config;
}

const NO_SOURCE = `this needs to be told where the TrustedIommu is: give ${flagOf("manifest")} FILE (standalone) or ${flagOf("node")} NAME (in a cluster)`;

function rolesOfSource(source: AgentConfig["source"], { status }: Settings): readonly PathRole[] {
  if (source.kind === "Cluster") return role("Read", flagOf("kubeconfig"), source.kubeconfig);
  return [...role("Read", flagOf("manifest"), source.manifest), ...role("Written", flagOf("status"), source.status, status === undefined)];
}

/** Where an agent with these settings writes its audit log. */
export function auditOf({ audit, simulator }: Pick<Settings, "audit" | "simulator">): string | null {
  if (audit === "none") return null;
  return audit ?? (simulator === undefined ? SETTINGS.audit.default : join(simulator, basename(SETTINGS.audit.default)));
}

/** The standalone agent's status lies beside its lock. */
function statusOf(settings: Settings): string {
  return settings.status ?? join(dirname(lockOf(settings)), basename(SETTINGS.status.default));
}

function sourceOf(settings: Settings): AgentConfig["source"] {
  const { manifest, node } = settings;
  if (node !== undefined) return { kind: "Cluster", node, kubeconfig: settings.kubeconfig ?? null };
  return { kind: "Manifest", manifest: manifest ?? "", status: statusOf(settings) };
}
