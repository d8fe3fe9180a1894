// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDevicePlugins } from "../../src/kubelet/device-plugin/device-plugins.ts";
import type { DevicePluginLimits } from "../../src/kubelet/device-plugin/resource-plugin-options.ts";
import type { AllocatedDevice, DevicePluginHandlers, DevicePluginPort, PublishedDevice } from "../../src/kubelet/port.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createJobs } from "../../src/runtime/jobs.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { type Metrics, noMetrics } from "../../src/runtime/metrics.ts";
import { startKubeletStandIn } from "../../src/stand-in/kubelet/stand-in.ts";
import type { KubeletStandIn } from "../../src/stand-in/kubelet/types.ts";

export const GPU = "teeio.dev/gpu";
export const NIC = "teeio.dev/nic";

export function device(id: string, numaNode: number | null = 0, healthy = true): PublishedDevice {
  return { id, healthy, numaNode };
}

/** Handlers that say yes to everything. */
export const yes: DevicePluginHandlers = {
  allocate: async ({ ids }) => ids.map(allocated),
  preStart: async () => undefined,
  placementOf: () => null,
};

export function allocated(id: string): AllocatedDevice {
  return { id, env: { [`DEVICE_${id}`]: "yes" }, deviceNodes: [`/dev/vfio/devices/${id}`], cdiDevices: [`${GPU}=${id}`] };
}

export interface SceneOptions {
  readonly handlers?: DevicePluginHandlers;
  readonly limits?: Partial<DevicePluginLimits>;
  readonly metrics?: Metrics;
  /** False: kubelet is started by the test. */
  readonly kubelet?: boolean;
}

/** Our device plugins and a kubelet stand-in in a folder of their own, over real sockets. */
export interface Scene {
  readonly dir: string;
  readonly podResourcesSocket: string;
  readonly kubelet: KubeletStandIn;
  readonly plugins: DevicePluginPort;
  /** Errors that jobs reported as fatal. */
  readonly fatal: unknown[];
  close(): Promise<void>;
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const root = mkdtempSync(join(tmpdir(), "ti-"));
  const dir = join(root, "dp");
  const podResourcesSocket = join(root, "pr", "kubelet.sock");
  const kubelet = await startKubeletStandIn({ dir, podResourcesSocket, clock: systemClock, emptyMs: 0 });
  if (options.kubelet === false) await kubelet.stop();
  const fatal: unknown[] = [];
  const metrics = options.metrics ?? noMetrics;
  const jobs = createJobs({
    owner: "kubelet",
    clock: systemClock,
    log: silentLog,
    metrics,
    random: Math.random,
    onFatal: (thrown) => fatal.push(thrown),
  });
  const plugins = createDevicePlugins({
    dir,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    metrics,
    jobs,
    handlers: options.handlers ?? yes,
    limits: { drainMs: 300, ...options.limits },
  });
  return {
    dir,
    podResourcesSocket,
    kubelet,
    plugins,
    fatal,
    async close() {
      await plugins.close();
      await jobs.stop();
      await kubelet.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Waits until `met` holds, looking again after short pauses; fails loudly when it never does. */
export async function until(what: string, met: () => boolean, withinMs = 20_000): Promise<void> {
  const endMs = systemClock.nowMs() + withinMs;
  while (!met()) {
    if (systemClock.nowMs() > endMs) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await new Promise<void>((resolve) => systemClock.after(2, resolve));
  }
}
