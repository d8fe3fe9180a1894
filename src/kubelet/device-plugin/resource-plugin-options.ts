// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../runtime/clock.ts";
import type { Jobs } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { DevicePluginHandlers, PublicationChange } from "../port.ts";
import type { DirectoryWatch } from "../registration/directory-watch.ts";
import type { SocketNames } from "../sockets.ts";
import type { DevicePluginWire } from "../wire.ts";
import type { CallLimits } from "./calls.ts";
import type { PluginMetrics } from "./metrics.ts";

export interface DevicePluginLimits extends CallLimits {
  /** Above kubelet's own 10 s for dialling back. */
  readonly registerMs: number;
  /** From Register's answer to the stream, which kubelet opens at once and once. */
  readonly streamMs: number;
  /** For the empty list to be taken and calls to end, when a resource is withdrawn. */
  readonly drainMs: number;
  /** Bounds what the directory's watch misses. */
  readonly pollMs: number;
}

export const DEFAULT_LIMITS: DevicePluginLimits = {
  allocateMs: 5000,
  preStartMs: 25_000,
  registerMs: 15_000,
  streamMs: 5000,
  drainMs: 1000,
  pollMs: 1000,
};

/** What the plugins of all resources share. */
export interface ResourcePluginOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: PluginMetrics;
  readonly jobs: Jobs;
  readonly handlers: DevicePluginHandlers;
  readonly limits: DevicePluginLimits;
  readonly wire: DevicePluginWire;
  readonly watch: DirectoryWatch;
  readonly names: SocketNames;
  /** Resolves when sockets of an earlier run are out of the way. */
  readonly ready: () => Promise<void>;
  readonly onChange: (change: PublicationChange) => void;
}
