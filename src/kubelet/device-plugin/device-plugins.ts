// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { Jobs } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { DevicePluginHandlers, DevicePluginPort, PublicationChange, PublishedResource } from "../port.ts";
import { createDirectoryWatch } from "../registration/directory-watch.ts";
import { checkSocketPath, createSocketNames, removeStaleSockets } from "../sockets.ts";
import { KUBELET_SOCKET, loadDevicePluginWire } from "../wire.ts";
import { pluginMetrics } from "./metrics.ts";
import { ResourcePlugin } from "./resource-plugin.ts";
import { DEFAULT_LIMITS, type DevicePluginLimits, type ResourcePluginOptions } from "./resource-plugin-options.ts";

export interface DevicePluginsOptions {
  /** kubelet's device plugin directory; it may not exist yet. */
  readonly dir: string;
  readonly clock: Clock;
  /** In [0, 1); for jitter and socket names. */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Owner of the loops: `kubelet-directory`, and one `kubelet-registration` per resource. */
  readonly jobs: Jobs;
  readonly handlers: DevicePluginHandlers;
  readonly limits?: Partial<DevicePluginLimits>;
}

/** kubelet's device plugins, one server and socket per resource. @throws SOCKET_PATH_TOO_LONG */
export function createDevicePlugins(options: DevicePluginsOptions): DevicePluginPort {
  const { dir, clock, random, log, jobs } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const names = createSocketNames(clock, random);
  for (const name of [names.next("length"), KUBELET_SOCKET]) checkSocketPath(join(dir, name));
  const watch = createDirectoryWatch({ dir, jobs, log, pollMs: limits.pollMs });
  const tidied = removeStaleSockets(dir, clock, log).catch((thrown: unknown) => log.warn({ err: thrown }, "stale sockets remain"));
  const listeners = new Set<(change: PublicationChange) => void>();
  const plugins = new Map<string, ResourcePlugin>();
  let isClosed = false;

  const shared: ResourcePluginOptions = {
    ...options,
    metrics: pluginMetrics(options.metrics),
    limits,
    names,
    watch,
    wire: loadDevicePluginWire(),
    ready: () => tidied,
    onChange: (change) => {
      for (const listener of [...listeners]) listener(change);
    },
  };
  const pluginOf = (resource: string): ResourcePlugin => {
    const plugin = plugins.get(resource) ?? new ResourcePlugin(resource, shared);
    plugins.set(resource, plugin);
    return plugin;
  };

  return {
    publish(resources: readonly PublishedResource[]) {
      if (isClosed) return;
      for (const [name, plugin] of plugins) {
        if (!resources.some(({ resource }) => resource === name)) plugin.publish(null);
      }
      for (const { resource, devices, isQuiet = false } of resources) pluginOf(resource).publish(devices, isQuiet);
    },
    sendAgain() {
      for (const plugin of plugins.values()) plugin.sendAgain();
    },
    publications: () => [...plugins.values()].filter((plugin) => !plugin.isGone).map((plugin) => plugin.publication()),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      isClosed = true;
      await Promise.all([...plugins.values()].map((plugin) => plugin.close()));
      await watch.close();
      await tidied;
    },
  };
}
