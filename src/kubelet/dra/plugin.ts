// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { Job, Jobs } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import { checkSocketPath } from "../sockets.ts";
import { type ClaimCallLimits, ClaimCalls } from "./claim-calls.ts";
import { type HealthCall, HealthStreams } from "./health-streams.ts";
import { KeptSockets } from "./kept-sockets.ts";
import { draMetrics } from "./metrics.ts";
import { PlacedSocket } from "./placed-socket.ts";
import type { DraHandlers, DraPluginPort } from "./port.ts";
import { Registration } from "./registration.ts";
import { loadDraWire } from "./wire.ts";

export interface DraPluginLimits extends ClaimCallLimits {
  /** Between lists of kubelet's health streams; kubelet takes what is older than 30 s for Unknown. */
  readonly healthMs: number;
  /** For calls to be answered when the plugin closes. */
  readonly drainMs: number;
  /** Bounds what the folders' watch misses. */
  readonly pollMs: number;
}

export const DRA_LIMITS: DraPluginLimits = { callMs: 40_000, graceMs: 2000, healthMs: 10_000, drainMs: 3000, pollMs: 1000 };

export interface DraPluginOptions {
  /** names.ts `DRA_DRIVER`. */
  readonly driver: string;
  /** Kubelet's folder of registration sockets, `/var/lib/kubelet/plugins_registry`; it may not exist yet. */
  readonly registryDir: string;
  /** The plugin's own, `/var/lib/kubelet/plugins/<driver>`; made when it is not there. Kubelet must see it under the same path. */
  readonly pluginDir: string;
  readonly clock: Clock;
  /** In [0, 1); for jitter. */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Owner of the loops: `kubelet-dra`, `kubelet-dra-health`, and a `kubelet-directory` for each of the folders. */
  readonly jobs: Jobs;
  readonly handlers: DraHandlers;
  readonly limits?: Partial<DraPluginLimits>;
}

/** Names as k8s.io/dynamic-resource-allocation's kubeletplugin gives them. */
const PLUGIN_SOCKET = "dra.sock";
const registrationSocket = (driver: string): string => `${driver}-reg.sock`;
/** Kubelet's connection for a registration ends with it. */
const REGISTRATION_IDLE_MS = 10_000;

/** The plugin of a DRA driver. Nothing is served before `serve()`. @throws SOCKET_PATH_TOO_LONG */
export function createDraPlugin(options: DraPluginOptions): DraPluginPort {
  const { driver, registryDir, pluginDir, clock, random, log, jobs, handlers } = options;
  const limits = { ...DRA_LIMITS, ...options.limits };
  const wire = loadDraWire();
  const listeners = new Set<() => void>();
  const onChange = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const endpoint = join(pluginDir, PLUGIN_SOCKET);
  for (const path of [endpoint, join(registryDir, registrationSocket(driver))]) checkSocketPath(path);

  const streams = new HealthStreams(clock);
  const calls = new ClaimCalls({ handlers, clock, log, metrics: draMetrics(options.metrics), limits, onChange });
  const registration = new Registration({ driver, endpoint, log, onChange });
  const pluginPlace = new PlacedSocket({
    dir: pluginDir,
    name: PLUGIN_SOCKET,
    clock,
    idleMs: null,
    addServices(server) {
      server.addService(wire.plugin, { ...calls.handlers });
      server.addService(wire.health, { NodeWatchResources: (call: HealthCall) => streams.open(call) });
    },
  });
  const registrationPlace = new PlacedSocket({
    dir: registryDir,
    name: registrationSocket(driver),
    clock,
    idleMs: REGISTRATION_IDLE_MS,
    addServices: (server) => server.addService(wire.registration, { ...registration.handlers }),
  });
  let kept: KeptSockets | null = null;
  let repeat: Job | null = null;
  let isClosed = false;

  return {
    serve() {
      if (kept || isClosed) return;
      const { pollMs, healthMs } = limits;
      const onGone = (): void => registration.forget();
      kept = new KeptSockets({ plugin: pluginPlace, registration: registrationPlace, jobs, log, random, pollMs, onGone, onChange });
      repeat = jobs.every("kubelet-dra-health", { everyMs: healthMs, boundMs: healthMs }, async () => streams.sendAgain());
    },
    publication: () => ({ registered: registration.isRegistered, inCalls: calls.inCalls, problem: kept?.problem || registration.problem }),
    health: (devices) => streams.show(devices),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      isClosed = true;
      await calls.close(limits.drainMs);
      await repeat?.stop();
      streams.end();
      await kept?.close();
    },
  };
}
