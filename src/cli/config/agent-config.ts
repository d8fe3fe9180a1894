// SPDX-License-Identifier: Apache-2.0
import { dirname, join, resolve } from "node:path";
import { type Problem, problemsText, valueText } from "../../api/problem.ts";
import { AppError } from "../../runtime/errors.ts";
import type { LogLevel } from "../../runtime/log.ts";
import { storeAt } from "../../stand-in/host/store.ts";
import { type PathRole, pathProblems } from "./path-roles.ts";
import { settingsFromFile, settingsFromFlags } from "./read-settings.ts";
import { type DRIVER_CHOICES, flagOf, type SettingKey, type Settings } from "./settings.ts";

/** Everything the agent is told, complete and consistent. Paths are absolute. */
export interface AgentConfig {
  /** Where intent and status live. */
  readonly source: { readonly kind: "Manifest"; readonly manifest: string; readonly status: string } | ClusterSource;
  readonly hostRoot: string;
  readonly driver: DriverChoice;
  /** Null: no kubelet on this machine. */
  readonly kubelet: KubeletPaths | null;
  readonly settleMs: number;
  /** Null: off. */
  readonly metrics: string | null;
  /** Null: not said; info, or warn below a live view. */
  readonly logLevel: LogLevel | null;
  /** Null: no CDI specs. */
  readonly cdiDir: string | null;
  readonly lock: string;
  /** The lock's folder is the agent's own default, and no other's: neither named by hand nor a simulated host. */
  readonly ownsLockFolder: boolean;
}

export interface ClusterSource {
  readonly kind: "Cluster";
  readonly node: string;
  /** Null: the pod's service account, or what the API client finds by itself. */
  readonly kubeconfig: string | null;
}

/** The simulator is only ever named, never found. */
export type DriverChoice =
  | { readonly kind: "Simulated"; readonly stateDir: string }
  | { readonly kind: "Real"; readonly driver: (typeof DRIVER_CHOICES)[number] };

export interface KubeletPaths {
  readonly deviceDir: string;
  readonly podResources: string;
}

/** What the defaults depend on and the command line does not say. */
export interface Surroundings {
  readonly workingFolder: string;
  /** The config file to read when --config is not given; null: none. */
  readonly configFile: string | null;
}

/** Lock and status of a real node: gone with a reboot, as the trust is. */
export const STATE_DIR = "/run/trusted-iommu";
const KUBELET_DIR = "/var/lib/kubelet/device-plugins";
const CDI_DIR = "/var/run/cdi";
/** The settling time of the design: longer than kubelet shows empty podresources after its start, and than a terminating pod's device takes. */
const SETTLE_SECONDS = 10;

/**
 * The agent's configuration: a flag goes before the config file, the file before the default.
 * @throws CONFIG_INVALID with every problem, each with its place, the value found and what to write instead
 */
export function agentConfig(flags: Readonly<Record<string, unknown>>, around: Surroundings): AgentConfig {
  const path = typeof flags["config"] === "string" ? flags["config"] : around.configFile;
  const fromFile = path === null ? { settings: {}, problems: [] } : settingsFromFile(path);
  const fromFlags = settingsFromFlags(flags, around.workingFolder);
  const settings: Settings = { ...fromFile.settings, ...fromFlags.settings };
  const problems = [...fromFlags.problems, ...fromFile.problems];
  // Rules between settings are only worth reading once each setting by itself is right.
  refuse(problems.length > 0 ? problems : conflicts(settings));
  const config = complete(settings);
  refuse(pathProblems(rolesOf(config, settings, path === null ? null : resolve(around.workingFolder, path))));
  return config;
}

/** What an agent leaves for the next one. The folder is the agent's own, wherever the lock is. */
export function proofsFolder(lock: string): string {
  return join(dirname(lock), "proofs");
}

/** Every path that the agent uses, also by default. Those that are written come after those that are read: a problem names them. */
function rolesOf(config: AgentConfig, { simulator }: Settings, configFile: string | null): readonly PathRole[] {
  const role = (use: PathRole["use"], name: string, path: string | null | undefined): readonly PathRole[] =>
    path === null || path === undefined ? [] : [{ use, name, path }];
  const { source, kubelet, cdiDir, lock } = config;
  const store = simulator === undefined ? null : storeAt(simulator);
  return [
    ...role("Read", "--config", configFile),
    ...role("Read", flagOf("manifest"), source.kind === "Manifest" ? source.manifest : null),
    ...role("Read", flagOf("kubeconfig"), source.kind === "Cluster" ? source.kubeconfig : null),
    ...role("Read", flagOf("podresources"), kubelet?.podResources),
    ...role("Folder", flagOf("kubeletDir"), kubelet?.deviceDir),
    ...role("Folder", flagOf("cdiDir"), kubelet === null ? null : cdiDir),
    ...(store === null ? [] : [store.hostRoot, store.simulatorState, store.scratch]).flatMap((path) => role("Folder", flagOf("simulator"), path)),
    ...(store === null ? [] : store.ownFiles).flatMap((path) => role("Read", flagOf("simulator"), path)),
    ...role("Written", flagOf("status"), source.kind === "Manifest" ? source.status : null),
    ...role("Folder", `the proofs beside ${flagOf("lock")}`, proofsFolder(lock)),
    ...role("Written", flagOf("lock"), lock),
  ];
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new AppError("CONFIG_INVALID", problemsText(problems), { details: { problems: problems.length } });
}

function conflicts(settings: Settings): readonly Problem[] {
  const problem = (key: SettingKey, fix: string): Problem => ({ path: flagOf(key), value: valueText(settings[key]), fix });
  const only = (key: SettingKey, isFine: boolean, fix: string): readonly Problem[] =>
    settings[key] === undefined || isFine ? [] : [problem(key, fix)];
  const { manifest, node, driver, kubelet } = settings;
  return [
    ...(manifest === undefined && node === undefined ? [problem("manifest", "give --manifest FILE (standalone) or --node NAME (in a cluster)")] : []),
    ...only("manifest", node === undefined, "give either --manifest FILE or --node NAME, not both"),
    ...only("simulator", driver === undefined || driver === "auto", `remove --driver ${driver}: a simulated host has its own driver`),
    ...only("status", node === undefined, "remove it: with --node the status goes to the TrustedIommu in the cluster"),
    ...only("kubeconfig", node !== undefined, "remove it: without --node no API server is asked"),
    ...only("kubeletDir", kubelet !== "none", "remove it, or --kubelet none"),
    ...only("podresources", kubelet !== "none", "remove it, or --kubelet none"),
  ];
}

function complete(settings: Settings): AgentConfig {
  const { simulator } = settings;
  const lock = settings.lock ?? join(simulator ?? STATE_DIR, "agent.lock");
  return {
    source: sourceOf(settings, lock),
    hostRoot: settings.hostRoot ?? (simulator === undefined ? "/" : storeAt(simulator).hostRoot),
    driver:
      simulator === undefined
        ? { kind: "Real", driver: settings.driver ?? "auto" }
        : { kind: "Simulated", stateDir: storeAt(simulator).simulatorState },
    kubelet: settings.kubelet === "none" ? null : kubeletPaths(settings),
    settleMs: (settings.settle ?? SETTLE_SECONDS) * 1000,
    metrics: settings.metrics ?? null,
    logLevel: settings.logLevel ?? null,
    cdiDir: settings.cdiDir === "none" ? null : (settings.cdiDir ?? (simulator === undefined ? CDI_DIR : join(simulator, "cdi"))),
    lock,
    ownsLockFolder: settings.lock === undefined && simulator === undefined,
  };
}

function sourceOf(settings: Settings, lock: string): AgentConfig["source"] {
  const { manifest, node } = settings;
  if (node !== undefined) return { kind: "Cluster", node, kubeconfig: settings.kubeconfig ?? null };
  return { kind: "Manifest", manifest: manifest ?? "", status: settings.status ?? join(dirname(lock), "status.json") };
}

function kubeletPaths(settings: Settings): KubeletPaths {
  const deviceDir = settings.kubeletDir ?? KUBELET_DIR;
  return { deviceDir, podResources: settings.podresources ?? join(dirname(deviceDir), "pod-resources", "kubelet.sock") };
}
