// SPDX-License-Identifier: Apache-2.0

/** A simulated host, a kubelet stand-in and, in a process of its own, the agent as it is shipped. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LinkEnable } from "../../src/domain/intent.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createSimulatedHost } from "../../src/stand-in/host/create.ts";
import { loadHostDescription } from "../../src/stand-in/host/load-description.ts";
import type { SimulatedHost } from "../../src/stand-in/host/simulated-host.ts";
import { startKubeletStandIn } from "../../src/stand-in/kubelet/stand-in.ts";
import type { KubeletStandIn } from "../../src/stand-in/kubelet/types.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import type { BenchContext } from "../measure/context.ts";
import type { Running } from "../measure/processes.ts";
import { when } from "../measure/waiting.ts";

export const RESOURCE = "teeio.dev/accelerator";

const manifestOf = (linkEnable: LinkEnable): string => `apiVersion: teeio.dev/v1alpha1
kind: TrustedIommu
metadata: {name: bench}
spec:
  state: Trusted
  units: {all: true}
  resources:
    - {name: ${RESOURCE}, ledger: DevicePlugin, match: {functions: [Physical, Virtual]}}
  link: {enable: ${linkEnable}}
`;

/** How an agent comes to its intent. */
export interface AgentSource {
  readonly words: readonly string[];
  /** Command that starts the agent, before the agent's own words. */
  readonly before?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Stage {
  readonly path: string;
  readonly pluginDir: string;
  readonly host: SimulatedHost;
  readonly kubelet: KubeletStandIn;
  /** Kubelet's root: its folder of registration sockets, and the plugins' own. */
  readonly kubeletRoot: string;
  /** Starts an agent; what is given replaces --manifest. */
  startAgent(source?: AgentSource): Running;
  /** The agent's socket that kubelet knows. */
  socket(): string;
  /** Waits until kubelet was given `count` healthy devices or more, or the agent died. */
  offered(agent: Running, count: number): Promise<void>;
  /** The same for these devices. */
  offers(agent: Running, ids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Makes the host of hosts/NAME.yaml and starts the stand-in. */
export async function setStage(context: BenchContext, hostName: string, linkEnable: LinkEnable = "Never"): Promise<Stage> {
  const path = context.scratch(`${hostName}-${linkEnable}`);
  const description = loadHostDescription(join(context.root, "hosts", `${hostName}.yaml`));
  const host = createSimulatedHost(join(path, "sim"), { description, control: simulationOf() });
  const pluginDir = join(path, "dp");
  const podResourcesSocket = join(path, "pr", "kubelet.sock");
  const kubelet = await startKubeletStandIn({ dir: pluginDir, podResourcesSocket, clock: systemClock });
  const manifest = join(path, "node.yaml");
  writeFileSync(manifest, manifestOf(linkEnable));
  const until = (agent: Running, what: string, met: () => boolean): Promise<void> =>
    Promise.race([when(what, met, { listen: (listener) => kubelet.onChange(listener) }), agent.died]);
  const fixed = ["--simulator", join(path, "sim"), "--kubelet-dir", pluginDir, "--podresources", podResourcesSocket];
  const standalone: AgentSource = { words: ["--manifest", manifest, "--status", join(path, "status.json")] };
  return {
    path,
    pluginDir,
    kubeletRoot: path,
    host,
    kubelet,
    startAgent({ words, before = [], environment = {} } = standalone) {
      const agent = [join(context.root, "bin", "trusted-iommu"), "agent", ...words, ...fixed, "--log-level", "warn"];
      const [command = "", ...rest] = [...before, ...agent];
      return context.processes.start(command, rest, { output: join(path, "agent.log"), environment });
    },
    socket: () => join(pluginDir, kubelet.registrations.findLast((one) => one.problem === "")?.endpoint ?? "nobody-registered"),
    offered: (agent, count) => until(agent, `kubelet has ${count} devices`, () => kubelet.allocatable(RESOURCE).length >= count),
    offers: (agent, ids) => until(agent, `kubelet has ${ids.join(", ")}`, () => ids.every((id) => kubelet.allocatable(RESOURCE).includes(id))),
    close: () => kubelet.stop(),
  };
}
