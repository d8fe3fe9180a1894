// SPDX-License-Identifier: Apache-2.0
/**
 * Every setting of the agent as data: flag, key of the config file, kind, unit and default. Help, docs/configuration.md and the checks of the chart's
 * values are made from it, and agent-config.ts takes its defaults here.
 */
import * as z from "zod";
import { LOG_LEVELS } from "../../runtime/log.ts";
import { choice, NOTHING_MORE, path, type Setting } from "./setting.ts";

/** A longer settle period is a mistake: no operator waits more than an hour for a unit to be cleared. */
const MAX_SETTLE_SECONDS = 3600;

export const DRIVER_CHOICES = ["auto", "tdx_iommu", "tdx_host"] as const;
export const KUBELET_CHOICES = ["present", "none"] as const;
export const DRA_CHOICES = ["off", "on"] as const;
export const OUTPUT_FORMS = ["text", "json"] as const;
export type OutputForm = (typeof OUTPUT_FORMS)[number];

/** Every setting of the agent, by its key in the config file. The order is that of --help. */
export const SETTINGS = {
  manifest: path(
    {
      flag: "--manifest <file>",
      description: "standalone: take the TrustedIommu from this YAML file (or pipe, read once), without an API server",
      fix: "name a YAML file with a TrustedIommu",
    },
    null,
  ),
  node: {
    ...NOTHING_MORE,
    schema: z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/),
    kind: "name",
    flag: "--node <name>",
    description: "in a cluster: watch the TrustedIommu of this node and report to it",
    fix: "write the node's name as kubectl get nodes shows it, for example n1.example.com",
    default: null,
  },
  hostRoot: path(
    {
      flag: "--host-root <dir>",
      description: "where /sys, /proc and /dev are looked up",
      fix: "name a folder",
      otherwise: "with --simulator its tree",
    },
    "/",
  ),
  driver: choice(
    DRIVER_CHOICES,
    {
      flag: "--driver <name>",
      description: "what issues SETUP and CLEAR: auto (the first that is there), tdx_iommu or tdx_host; never a simulator",
      fix: "write auto, tdx_iommu or tdx_host; a simulated host is named with --simulator DIR",
    },
    "auto",
  ),
  simulator: path(
    {
      flag: "--simulator <dir>",
      description: "use the simulated host that `trusted-iommu simulate create` made here: no TDX hardware is touched",
      fix: "name a folder that `trusted-iommu simulate create --host FILE --root DIR` made",
    },
    null,
  ),
  kubeletDir: path(
    {
      flag: "--kubelet-dir <dir>",
      description: "kubelet's device-plugin folder",
      fix: "name the folder in which kubelet's kubelet.sock is",
    },
    "/var/lib/kubelet/device-plugins",
  ),
  podresources: path(
    {
      flag: "--podresources <socket>",
      description: "kubelet's podresources socket",
      fix: "name kubelet's podresources socket",
      otherwise: "beside the folder of --kubelet-dir",
    },
    "/var/lib/kubelet/pod-resources/kubelet.sock",
  ),
  kubelet: choice(
    KUBELET_CHOICES,
    {
      flag: "--kubelet <present|none>",
      description: "none: this machine has no kubelet; while a kubelet that should be there is missing, devices count as in use",
      fix: "write present or none",
    },
    "present",
  ),
  dra: choice(
    DRA_CHOICES,
    {
      flag: "--dra <off|on>",
      description: "on: serve resources with ledger DRA (Kubernetes 1.34 and later): ResourceSlices, and claims that kubelet prepares; needs --node",
      fix: "write off or on",
    },
    "off",
  ),
  kubeletRoot: path(
    {
      flag: "--kubelet-root <dir>",
      description: "kubelet's --root-dir, in which its folders for DRA's plugins are (plugins_registry and plugins)",
      fix: "name the folder that kubelet's --root-dir names",
      otherwise: "the folder that --kubelet-dir is in",
    },
    "/var/lib/kubelet",
  ),
  status: path(
    {
      flag: "--status <file>",
      description: "standalone: write the status to this file",
      fix: "name a file in a folder that can be written",
      otherwise: "status.json beside --lock",
    },
    "/run/trusted-iommu/status.json",
  ),
  settle: {
    ...NOTHING_MORE,
    schema: z.number().min(0).max(MAX_SETTLE_SECONDS),
    kind: "number",
    flag: "--settle <seconds>",
    description: "settle period: how long every view must show a unit's devices free before CLEAR",
    fix: `write seconds from 0 to ${MAX_SETTLE_SECONDS}`,
    // Longer than kubelet shows empty podresources after its start, and than a terminating pod's device takes.
    default: 10,
    unit: "seconds",
  },
  metrics: {
    ...NOTHING_MORE,
    schema: z.string().regex(/^(.*:)?\d{1,5}$/),
    kind: "address",
    flag: "--metrics <address>",
    description: "serve /metrics, /healthz and /readyz here, for example 127.0.0.1:9100",
    fix: "write HOST:PORT, for example 127.0.0.1:9100",
    default: null,
    otherwise: "off",
  },
  logLevel: choice(
    LOG_LEVELS,
    {
      flag: "--log-level <level>",
      description: LOG_LEVELS.join(", "),
      fix: `write one of ${LOG_LEVELS.join(", ")}`,
      otherwise: "warn where a view shows what changes",
    },
    "info",
  ),
  output: choice(
    OUTPUT_FORMS,
    {
      flag: "--output <text|json>",
      description: "form of all that is told: text for people (a live view on a terminal, else a line for each change), json for programs (the log)",
      fix: "write text or json",
      otherwise: "json with --node",
    },
    "text",
  ),
  cdiDir: path(
    {
      flag: "--cdi-dir <dir|none>",
      description: "write CDI specs here; none: write none",
      fix: "name a folder that containerd reads CDI specs from, or none",
      otherwise: "with --simulator a folder of its own",
      choices: ["none"],
    },
    "/var/run/cdi",
  ),
  kubeconfig: path(
    {
      flag: "--kubeconfig <file>",
      description: "in a cluster: how to reach the API server",
      fix: "name a kubeconfig file",
      otherwise: "the pod's service account, else $KUBECONFIG, else ~/.kube/config",
      variable: "KUBECONFIG",
    },
    null,
  ),
  lock: path(
    {
      flag: "--lock <file>",
      description: "lock that keeps a second agent off this node; what the agent proves is kept beside it",
      fix: "name a file on a local file system that every agent of this node sees",
      otherwise: "with --simulator in its folder",
    },
    "/run/trusted-iommu/agent.lock",
  ),
  audit: path(
    {
      flag: "--audit <dir|none>",
      description: "write the audit log here, which `trusted-iommu audit` reads: ten files of 16 MiB at most; none: write none",
      fix: "name a folder of the agent's own on a local disk, or none",
      otherwise: "with --simulator in its folder",
      choices: ["none"],
    },
    "/var/lib/trusted-iommu/audit",
  ),
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
  dra?: (typeof DRA_CHOICES)[number] | undefined;
  kubeletRoot?: string | undefined;
  status?: string | undefined;
  settle?: number | undefined;
  metrics?: string | undefined;
  logLevel?: (typeof LOG_LEVELS)[number] | undefined;
  output?: OutputForm | undefined;
  cdiDir?: string | undefined;
  kubeconfig?: string | undefined;
  lock?: string | undefined;
  audit?: string | undefined;
}

/** `--host-root` of `hostRoot`. */
export function flagOf(key: SettingKey): string {
  return SETTINGS[key].flag.split(" ")[0] ?? key;
}
