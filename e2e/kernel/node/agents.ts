// SPDX-License-Identifier: Apache-2.0
// The project's agents on a cluster with a machine of its own: installed by Helm as an administrator does, seen through the API server.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { API_VERSION, TRUSTED_IOMMU } from "../../../src/api/names.ts";
import { statusSchema } from "../../../src/api/status.ts";
import type { DriverBind, Ledger, LinkEnable } from "../../../src/domain/intent.ts";
import type { NodeStatus } from "../../../src/domain/status.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { type Look, met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { AGENT_IMAGE_VALUES } from "../../image/agent-image.ts";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CHART = join(ROOT, "charts/trusted-iommu");
/** Release and namespace of the agents. */
export const RELEASE = "trusted-iommu";
const PREFIX = "teeio.dev/";

/** The resource that the node's NVMe devices are offered as. */
export const RESOURCE = `${PREFIX}nvme`;
/** Emulated, beside a whole cluster. */
const DEADLINE_MS = 420_000;

export interface Agents {
  /** Installs the chart with its own values but the image's name, and the node that it is for. */
  install(): Promise<void>;
  /** Waits until the node's agent is ready, and alone. Not for a node that has just been reset: the API server goes on showing what was. */
  untilReady(): Promise<void>;
  setIntent(state: "Trusted" | "Cleared", ways?: IntentWays): Promise<void>;
  /** The agent's newest report on the newest spec for which `holds` is true. @throws with the last one when none comes */
  untilStatus(what: string, holds: (status: NodeStatus) => boolean): Promise<NodeStatus>;
  /** What the scheduler counts with, of the project's resources. */
  allocatable(): Promise<Readonly<Record<string, string>>>;
  /** A resource that the node does not have counts as none of it. */
  untilAllocatable(count: string): Promise<void>;
  /** The newest of what the agent has written. */
  log(): Promise<string>;
  /** Runs the command-line tool in the agent's container: what it says, whatever it ends with. */
  tool(...words: readonly string[]): Promise<string>;
  /** What `trusted-iommu audit` says of a device. */
  audit(address: string): Promise<Audit>;
}

export interface Audit {
  readonly text: string;
  /** The newest span of trust in which the device had a part. */
  readonly course: { readonly verdict: string; readonly steps: readonly string[] };
}

const AUDIT = z.object({ courses: z.array(z.object({ verdict: z.string(), steps: z.array(z.object({ step: z.string() })) })).nonempty() });

export interface IntentWays {
  /** Who secures links; nobody, when it is not given. */
  readonly enable?: LinkEnable;
  /** Which driver the agent gives the devices; vfio-pci, when it is not given. */
  readonly bind?: DriverBind;
  /** Who gives the devices away; the device plugin, when it is not given. */
  readonly ledger?: Ledger;
}

const OBJECT = z.object({ metadata: z.object({ generation: z.number() }), status: z.unknown().optional() });
const PODS = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ deletionTimestamp: z.string().optional() }),
      status: z.object({
        containerStatuses: z.array(z.object({ ready: z.boolean(), state: z.unknown() })).default([]),
      }),
    }),
  ),
});

/** The agents of a cluster that are installed on one node only. */
export function agentsOn(cluster: Cluster, node: string): Agents {
  const wait = <T>(what: string, look: () => Promise<Look<T>>) => waitUntil(what, look, { deadlineMs: DEADLINE_MS, everyMs: 300 });
  const allocatable: Agents["allocatable"] = async () =>
    Object.fromEntries(Object.entries(await cluster.allocatable(node)).filter(([name]) => name.startsWith(PREFIX)));
  const tool: Agents["tool"] = async (...words) =>
    (await cluster.tryKubectl(["-n", RELEASE, "exec", `daemonset/${RELEASE}-agent`, "--", "node", "/app/cli.js", ...words])).stdout;
  return {
    async install() {
      const values = ["--set", `image.pullPolicy=${AGENT_IMAGE_VALUES.pullPolicy},agent.settleSeconds=3,agent.devices.write=true,dra.enabled=true`];
      const place = ["--set-json", `agent.nodeSelector=${JSON.stringify({ "kubernetes.io/hostname": node })}`];
      await cluster.exec(["helm", "install", RELEASE, CHART, "--namespace", RELEASE, "--create-namespace", ...values, ...place]);
    },
    async untilReady() {
      await wait(`the agent of ${node}`, async () => {
        const list = await cluster.kubectlJson(["-n", RELEASE, "get", "pods"], PODS);
        const [pod, ...others] = list.items.filter((each) => each.metadata.deletionTimestamp === undefined);
        const container = pod?.status.containerStatuses[0];
        return others.length === 0 && container?.ready === true ? met(true) : notYet<boolean>(JSON.stringify(list.items));
      });
    },
    async setIntent(state, { enable = "Never", bind = "Vfio", ledger = "DevicePlugin" } = {}) {
      const resources = [{ name: RESOURCE, match: { classes: ["0108"] }, driver: { bind }, ledger }];
      const spec = { state, units: { all: true }, resources, link: { enable } };
      await cluster.apply({ apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, metadata: { name: node }, spec });
    },
    untilStatus: (what, holds) =>
      wait(`${node}: ${what}`, async () => {
        const object = await cluster.kubectlJson(["get", TRUSTED_IOMMU.singular, node], OBJECT);
        if (object.status === undefined) return notYet<NodeStatus>("no status");
        const status = statusSchema.parse(object.status);
        const isNew = status.observedGeneration === object.metadata.generation;
        return isNew && holds(status) ? met(status) : notYet<NodeStatus>(JSON.stringify({ ...status, conditions: [] }));
      }),
    allocatable,
    async untilAllocatable(count) {
      await wait(`${count} of ${RESOURCE} on ${node}`, async () => {
        const now = await allocatable();
        return (now[RESOURCE] ?? "0") === count ? met(true) : notYet<boolean>(JSON.stringify(now));
      });
    },
    tool,
    async audit(address) {
      const { courses } = AUDIT.parse(JSON.parse(await tool("audit", address, "--output", "json")));
      const { verdict, steps } = courses.at(-1) ?? { verdict: "", steps: [] };
      return { text: await tool("audit", address), course: { verdict, steps: steps.map(({ step }) => step) } };
    },
    log: async () => (await cluster.tryKubectl(["-n", RELEASE, "logs", "-l", "app.kubernetes.io/component=agent", "--tail=30"])).stdout,
  };
}
