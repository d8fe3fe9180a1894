// SPDX-License-Identifier: Apache-2.0
import * as z from "zod";
import { LOG_LEVELS } from "../../runtime/log.ts";

/** One setting of the agent: a flag and a key of the config file with the same meaning. */
export interface Setting {
  readonly schema: z.ZodType;
  /** As commander takes it. */
  readonly flag: string;
  readonly description: string;
  /** What to write instead of a wrong value; starts with a verb. */
  readonly fix: string;
  /** File names are resolved: those of flags from the working directory, those of the config file from its folder. */
  readonly isPath: boolean;
}

/** File names. A NUL would end one early in the kernel; Node refuses it with an error of its own. */
const text = z.string().regex(/^[^\0]+$/);

function setting(schema: z.ZodType, flag: string, words: { description: string; fix: string; isPath?: boolean }): Setting {
  return { schema, flag, description: words.description, fix: words.fix, isPath: words.isPath ?? false };
}

/** Longest time a CLEAR is held back after everything is free: an hour is already a mistake, more would be one that nobody waits for. */
const MAX_SETTLE_SECONDS = 3600;

export const DRIVER_CHOICES = ["auto", "tdx_iommu", "tdx_host"] as const;
export const KUBELET_CHOICES = ["present", "none"] as const;

/** Every setting of the agent, by its key in the config file. The order is that of --help. */
export const SETTINGS = {
  manifest: setting(text, "--manifest <file>", {
    description: "standalone: take the TrustedIommu from this YAML file (or pipe, read once), without an API server",
    fix: "name a YAML file with a TrustedIommu",
    isPath: true,
  }),
  node: setting(z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/), "--node <name>", {
    description: "in a cluster: watch the TrustedIommu of this node and report to it",
    fix: "write the node's name as kubectl get nodes shows it, for example n1.example.com",
  }),
  hostRoot: setting(text, "--host-root <dir>", {
    description: "where /sys, /proc and /dev are looked up (default: /, or the simulator's tree)",
    fix: "name a folder",
    isPath: true,
  }),
  driver: setting(z.enum(DRIVER_CHOICES), "--driver <name>", {
    description: "way to SETUP and CLEAR: auto, tdx_iommu, tdx_host (default: auto; never a simulator)",
    fix: "write auto, tdx_iommu or tdx_host; a simulated host is named with --simulator DIR",
  }),
  simulator: setting(text, "--simulator <dir>", {
    description: "use the simulated host that `simulate create` made here: no TDX hardware is touched",
    fix: "name a folder that `trusted-iommu simulate create --root DIR` made",
    isPath: true,
  }),
  kubeletDir: setting(text, "--kubelet-dir <dir>", {
    description: "kubelet's device-plugin folder (default: /var/lib/kubelet/device-plugins)",
    fix: "name the folder in which kubelet's kubelet.sock is",
    isPath: true,
  }),
  podresources: setting(text, "--podresources <socket>", {
    description: "kubelet's podresources socket (default: ../pod-resources/kubelet.sock beside the device-plugin folder)",
    fix: "name kubelet's podresources socket",
    isPath: true,
  }),
  kubelet: setting(z.enum(KUBELET_CHOICES), "--kubelet <present|none>", {
    description: "none: this machine has no kubelet; without it a missing kubelet counts as devices in use (default: present)",
    fix: "write present or none",
  }),
  status: setting(text, "--status <file>", {
    description: "standalone: write the status to this file (default: status.json beside the lock)",
    fix: "name a file in a folder that can be written",
    isPath: true,
  }),
  settle: setting(z.number().min(0).max(MAX_SETTLE_SECONDS), "--settle <seconds>", {
    description: "how long every view must show a unit's devices free before CLEAR (default: 10)",
    fix: `write seconds from 0 to ${MAX_SETTLE_SECONDS}`,
  }),
  metrics: setting(z.string().regex(/^(.*:)?\d{1,5}$/), "--metrics <address>", {
    description: "serve /metrics, /healthz and /readyz here, for example 127.0.0.1:9100 (default: off)",
    fix: "write HOST:PORT, for example 127.0.0.1:9100",
  }),
  logLevel: setting(z.enum(LOG_LEVELS), "--log-level <level>", {
    description: `${LOG_LEVELS.join(", ")} (default: info)`,
    fix: `write one of ${LOG_LEVELS.join(", ")}`,
  }),
  cdiDir: setting(text, "--cdi-dir <dir|none>", {
    description: "write CDI specs here; none: write none (default: /var/run/cdi; with --simulator its own folder)",
    fix: "name a folder that containerd reads CDI specs from, or none",
    isPath: true,
  }),
  kubeconfig: setting(text, "--kubeconfig <file>", {
    description: "in a cluster: how to reach the API server (default: the pod's service account, else $KUBECONFIG)",
    fix: "name a kubeconfig file",
    isPath: true,
  }),
  lock: setting(text, "--lock <file>", {
    description: "lock that keeps a second agent off this node (default: /run/trusted-iommu/agent.lock, or in the simulator's folder)",
    fix: "name a file on a local file system that every agent of this node sees",
    isPath: true,
  }),
} as const satisfies Record<string, Setting>;

export type SettingKey = keyof typeof SETTINGS;
export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** Settings as one of the places gives them, checked one by one but not together. */
export interface Settings {
  manifest?: string | undefined;
  node?: string | undefined;
  hostRoot?: string | undefined;
  driver?: (typeof DRIVER_CHOICES)[number] | undefined;
  simulator?: string | undefined;
  kubeletDir?: string | undefined;
  podresources?: string | undefined;
  kubelet?: (typeof KUBELET_CHOICES)[number] | undefined;
  status?: string | undefined;
  settle?: number | undefined;
  metrics?: string | undefined;
  logLevel?: (typeof LOG_LEVELS)[number] | undefined;
  cdiDir?: string | undefined;
  kubeconfig?: string | undefined;
  lock?: string | undefined;
}

/** `--host-root` of `hostRoot`. */
export function flagOf(key: SettingKey): string {
  return SETTINGS[key].flag.split(" ")[0] ?? key;
}
