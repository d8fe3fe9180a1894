// SPDX-License-Identifier: Apache-2.0
/** The configuration of whatever looks at the node: settings from flags and config file, held against each other, with their defaults. */
import { basename, dirname, join, resolve } from "node:path";
import { type Problem, problemsText, valueText } from "../../api/problem.ts";
import { DRA_DRIVER } from "../../domain/dra/names.ts";
import { AppError } from "../../runtime/errors.ts";
import type { LogLevel } from "../../runtime/log.ts";
import { storeAt } from "../../stand-in/host/store.ts";
import type { PathRole } from "./path-roles.ts";
import { settingsFromFile, settingsFromFlags } from "./read-settings.ts";
import { type DRIVER_CHOICES, flagOf, type OutputForm, SETTINGS, type SettingKey, type Settings } from "./settings.ts";

/** What there is on the node, for every command that looks at it. */
export interface NodeConfig {
  readonly hostRoot: string;
  readonly driver: DriverChoice;
  /** Null: no kubelet on this machine. */
  readonly kubelet: KubeletPaths | null;
  readonly settleMs: number;
  /** Null: off. */
  readonly metrics: string | null;
  /** Null: not said; info, or warn below a live view. */
  readonly logLevel: LogLevel | null;
  readonly output: OutputForm;
  /** Null: no CDI specs. */
  readonly cdiDir: string | null;
  readonly lock: string;
  /** The lock's folder is the agent's own default, and no other's: neither named by hand nor a simulated host. */
  readonly ownsLockFolder: boolean;
}

/** The simulator is only ever named, never found. */
export type DriverChoice =
  | { readonly kind: "Simulated"; readonly stateDir: string }
  | { readonly kind: "Real"; readonly driver: (typeof DRIVER_CHOICES)[number] };

export interface KubeletPaths {
  readonly deviceDir: string;
  readonly podResources: string;
  /** Null: DRA is not served. */
  readonly dra: DraPaths | null;
}

/** Kubelet looks for sockets of plugins in the one, and the plugin's own are in the other. */
export interface DraPaths {
  readonly registryDir: string;
  readonly pluginDir: string;
}

/** What the defaults depend on and the command line does not say. */
export interface Surroundings {
  readonly workingFolder: string;
  /** The config file to read when --config is not given; null: none. */
  readonly configFile: string | null;
}

/** For a look at the node alone, without a TrustedIommu. @throws CONFIG_INVALID */
export function nodeConfig(flags: Readonly<Record<string, unknown>>, around: Surroundings): NodeConfig {
  return nodeConfigOf(settingsFrom(flags, around).settings);
}

interface KnownSettings {
  readonly settings: Settings;
  readonly configFile: string | null;
}

/** Settings as flags and config file give them, each right by itself and none against another. @throws CONFIG_INVALID with every problem */
export function settingsFrom(flags: Readonly<Record<string, unknown>>, around: Surroundings): KnownSettings {
  const path = typeof flags["config"] === "string" ? flags["config"] : around.configFile;
  const fromFile = path === null ? { settings: {}, problems: [] } : settingsFromFile(path);
  const fromFlags = settingsFromFlags(flags, around.workingFolder);
  const settings: Settings = { ...fromFile.settings, ...fromFlags.settings };
  const problems = [...fromFlags.problems, ...fromFile.problems];
  // Rules between settings are only worth reading once each setting by itself is right.
  refuse(problems.length > 0 ? problems : conflicts(settings));
  return { settings, configFile: path === null ? null : resolve(around.workingFolder, path) };
}

/** What an agent leaves for the next one. The folder is the agent's own, wherever the lock is. */
export function proofsFolder(lock: string): string {
  return join(dirname(lock), "proofs");
}

/** A path with its use; none for a path that is not used. `isDefault`: it was not named. */
export function role(use: PathRole["use"], name: string, path: string | null | undefined, isDefault = false): readonly PathRole[] {
  return path === null || path === undefined ? [] : [{ use, name, path, isDefault }];
}

/** Every path that is used, also by default. */
export function rolesOf(config: NodeConfig, settings: Settings, configFile: string | null): readonly PathRole[] {
  const { kubelet, cdiDir, lock } = config;
  const { simulator } = settings;
  const store = simulator === undefined ? null : storeAt(simulator);
  return [
    ...role("Read", "--config", configFile),
    ...role("Read", flagOf("podresources"), kubelet?.podResources, settings.podresources === undefined),
    ...role("Folder", flagOf("kubeletDir"), kubelet?.deviceDir, settings.kubeletDir === undefined),
    ...role("Folder", flagOf("kubeletRoot"), kubelet?.dra?.registryDir, settings.kubeletRoot === undefined),
    ...role("Folder", flagOf("kubeletRoot"), kubelet?.dra?.pluginDir, settings.kubeletRoot === undefined),
    ...role("Folder", flagOf("cdiDir"), kubelet === null ? null : cdiDir, settings.cdiDir === undefined),
    ...(store === null ? [] : [store.hostRoot, store.simulatorState, store.scratch]).flatMap((path) => role("Folder", flagOf("simulator"), path)),
    ...(store === null ? [] : store.ownFiles).flatMap((path) => role("Read", flagOf("simulator"), path)),
    ...role("Folder", `the proofs beside ${flagOf("lock")}`, proofsFolder(lock), settings.lock === undefined),
    ...role("Written", flagOf("lock"), lock, settings.lock === undefined),
  ];
}

export function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new AppError("CONFIG_INVALID", problemsText(problems), { details: { problems: problems.length } });
}

function conflicts(settings: Settings): readonly Problem[] {
  const problem = (key: SettingKey, fix: string): Problem => ({ path: flagOf(key), value: valueText(settings[key]), fix });
  const only = (key: SettingKey, isFine: boolean, fix: string): readonly Problem[] =>
    settings[key] === undefined || isFine ? [] : [problem(key, fix)];
  const { node, driver, kubelet } = settings;
  return [
    ...only("manifest", node === undefined, "give either --manifest FILE or --node NAME, not both"),
    ...only("simulator", driver === undefined || driver === "auto", `remove --driver ${driver}: a simulated host has its own driver`),
    ...only("status", node === undefined, "remove it: with --node the status goes to the TrustedIommu in the cluster"),
    ...only("kubeconfig", node !== undefined, "remove it: without --node no API server is asked"),
    ...only("kubeletDir", kubelet !== "none", "remove it, or --kubelet none"),
    ...only("podresources", kubelet !== "none", "remove it, or --kubelet none"),
    ...only("dra", settings.dra === "off" || kubelet !== "none", "remove it, or --kubelet none: claims are prepared by kubelet"),
    ...only("dra", settings.dra === "off" || node !== undefined, "remove it, or give --node NAME: DRA is the API server's"),
    ...only("dra", settings.dra === "off" || settings.cdiDir !== "none", "remove it, or --cdi-dir none: a claim's devices are given by CDI names"),
    ...only("kubeletRoot", settings.dra === "on", "remove it, or give --dra on: nothing else is looked for there"),
  ];
}

export function nodeConfigOf(settings: Settings): NodeConfig {
  const { simulator } = settings;
  return {
    hostRoot: settings.hostRoot ?? (simulator === undefined ? SETTINGS.hostRoot.default : storeAt(simulator).hostRoot),
    driver:
      simulator === undefined
        ? { kind: "Real", driver: settings.driver ?? SETTINGS.driver.default }
        : { kind: "Simulated", stateDir: storeAt(simulator).simulatorState },
    kubelet: settings.kubelet === "none" ? null : kubeletPaths(settings),
    settleMs: (settings.settle ?? SETTINGS.settle.default) * 1000,
    metrics: settings.metrics ?? null,
    logLevel: settings.logLevel ?? null,
    output: settings.output ?? (settings.node === undefined ? SETTINGS.output.default : "json"),
    cdiDir: settings.cdiDir === "none" ? null : (settings.cdiDir ?? (simulator === undefined ? SETTINGS.cdiDir.default : join(simulator, "cdi"))),
    lock: lockOf(settings),
    ownsLockFolder: settings.lock === undefined && simulator === undefined,
  };
}

export function lockOf({ lock, simulator }: Settings): string {
  return lock ?? (simulator === undefined ? SETTINGS.lock.default : join(simulator, basename(SETTINGS.lock.default)));
}

function kubeletPaths(settings: Settings): KubeletPaths {
  const { kubeletDir, podresources } = settings;
  const dra = settings.dra === "on" ? draPaths(settings) : null;
  if (kubeletDir === undefined) return { deviceDir: SETTINGS.kubeletDir.default, podResources: podresources ?? SETTINGS.podresources.default, dra };
  return { deviceDir: kubeletDir, podResources: podresources ?? join(dirname(kubeletDir), "pod-resources", "kubelet.sock"), dra };
}

function draPaths({ kubeletRoot, kubeletDir }: Settings): DraPaths {
  const root = kubeletRoot ?? (kubeletDir === undefined ? SETTINGS.kubeletRoot.default : dirname(kubeletDir));
  return { registryDir: join(root, "plugins_registry"), pluginDir: join(root, "plugins", DRA_DRIVER) };
}
