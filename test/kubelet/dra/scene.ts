// SPDX-License-Identifier: Apache-2.0
import { lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDraPlugin, type DraPluginLimits } from "../../../src/kubelet/dra/plugin.ts";
import type { DraHandlers, DraPluginPort, GivenDevice } from "../../../src/kubelet/dra/port.ts";
import { type Clock, systemClock } from "../../../src/runtime/clock.ts";
import { createJobs } from "../../../src/runtime/jobs.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { type Metrics, noMetrics } from "../../../src/runtime/metrics.ts";
import { registerAt, type TestClaim, type TestKubelet } from "./kubelet.ts";

export const X: TestClaim = { namespace: "ns", name: "x", uid: "u-x" };
export const Y: TestClaim = { namespace: "ns", name: "y", uid: "u-y" };

export function given(uid: string): GivenDevice {
  return { requests: ["gpu"], pool: "n/pci0000-16", device: "0000-17-00-0", cdiNames: [`teeio.dev/claim=${uid}_0000-17-00-0`] };
}

export const yes: DraHandlers = { prepare: async ({ uid }) => [given(uid)], unprepare: async () => undefined };

export interface DraSceneOptions {
  readonly handlers?: Partial<DraHandlers>;
  readonly limits?: Partial<DraPluginLimits>;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  /** False: kubelet's folder of registration sockets is made by the test. */
  readonly registry?: boolean;
}

export interface DraScene {
  readonly registryDir: string;
  readonly pluginDir: string;
  readonly registrationSocket: string;
  readonly pluginSocket: string;
  /** The plugin of the run that is now. */
  readonly plugin: DraPluginPort;
  /** A new run of the agent on the same folders; the one before is as it is. */
  startAgain(): DraPluginPort;
  /** Both sockets are there, listened on, and closed to others. */
  isServed(): boolean;
  /** Registers as kubelet does; closed with the scene. */
  register(): Promise<TestKubelet>;
  close(): Promise<void>;
}

/** The mode is the last thing that a socket gets. */
function isListeningSocket(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isSocket() === true && (stats.mode & 0o777) === 0o600;
}

/** A plugin in folders of its own, over real sockets. It does not serve yet. */
export function startDraScene(options: DraSceneOptions = {}): DraScene {
  const root = mkdtempSync(join(tmpdir(), "ti-"));
  const [registryDir, pluginDir] = [join(root, "plugins_registry"), join(root, "plugins", "teeio.dev")];
  if (options.registry !== false) mkdirSync(registryDir);
  const { clock = systemClock, metrics = noMetrics } = options;
  const jobs = createJobs({ owner: "kubelet", clock, log: silentLog, metrics, random: Math.random, onFatal: () => undefined });
  const handlers = { ...yes, ...options.handlers };
  const plugins: DraPluginPort[] = [];
  const kubelets: TestKubelet[] = [];
  const start = (): DraPluginPort => {
    const limits = { ...options.limits };
    const plugin = createDraPlugin({
      driver: "teeio.dev",
      registryDir,
      pluginDir,
      clock,
      random: Math.random,
      log: silentLog,
      metrics,
      jobs,
      handlers,
      limits,
    });
    plugins.push(plugin);
    return plugin;
  };
  const plugin = start();
  const registrationSocket = join(registryDir, "teeio.dev-reg.sock");
  const pluginSocket = join(pluginDir, "dra.sock");
  return {
    ...{ registryDir, pluginDir, registrationSocket, pluginSocket, plugin },
    isServed: () => [registrationSocket, pluginSocket].every(isListeningSocket),
    startAgain: start,
    async register() {
      const kubelet = await registerAt(registrationSocket);
      kubelets.push(kubelet);
      return kubelet;
    },
    async close() {
      for (const kubelet of kubelets) kubelet.close();
      await Promise.all(plugins.map((one) => one.close()));
      await jobs.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
