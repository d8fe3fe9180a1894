// SPDX-License-Identifier: Apache-2.0
// Workloads for a node that is a machine of its own.
import { z } from "zod";
import type { Cluster } from "../../cluster/cluster.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { BUSYBOX_IMAGE } from "../../image/busybox-image.ts";
import { RESOURCE } from "./agents.ts";

/** Emulated, beside a whole cluster. */
const DEADLINE_MS = 420_000;

/** Opens what the container was given for writing, which the device cgroup allows for nothing else. */
export const OPEN_DEVICES =
  "ls -l /dev/iommu /dev/vfio/devices; for node in /dev/iommu /dev/vfio/devices/*; do exec 3<> $node || exit 1; done; env | grep TEEIO; echo opened";

/** What a container runs before it goes on for ever, and whether it asks for a device. */
export interface Work {
  readonly script: string;
  readonly device?: boolean;
}

/** A pod given to a node without the scheduler, which alone would see that the node has no device. */
export function podOf(name: string, node: string, work: Work): object {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, spec: { nodeName: node, ...podSpec(work) } };
}

/** One pod, made anew by the cluster when it fails. */
export function deploymentOf(name: string, work: Work): object {
  return deploymentWith(name, podSpec(work));
}

/** The same, of any pod. */
export function deploymentWith(name: string, pod: object): object {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: pod };
  const spec = { replicas: 1, strategy: { type: "Recreate" }, selector: { matchLabels: labels }, template };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: "default" }, spec };
}

/** A pod with devices by claims: `claims` by their names in the pod, each with the template that it is made from. */
export function claimantOf(name: string, script: string, claims: Readonly<Record<string, string>>): object {
  const resources = { claims: Object.keys(claims).map((claim) => ({ name: claim })) };
  const resourceClaims = Object.entries(claims).map(([claim, template]) => ({ name: claim, resourceClaimTemplateName: template }));
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, spec: { ...specOf(script, resources), resourceClaims } };
}

const podSpec = ({ script, device = false }: Work): object => specOf(script, device ? { limits: { [RESOURCE]: "1" } } : {});

function specOf(script: string, resources: object): object {
  const container = {
    name: "main",
    image: BUSYBOX_IMAGE,
    imagePullPolicy: "Never",
    command: ["sh", "-c", `${script}; exec sleep inf`],
    resources,
  };
  return { terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers: [container] };
}

const POD = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({ nodeName: z.string().optional() }),
  status: z.object({
    phase: z.string(),
    nominatedNodeName: z.string().optional(),
    conditions: z.array(z.object({ type: z.string(), lastTransitionTime: z.string().nullish() })).default([]),
    reason: z.string().optional(),
    message: z.string().optional(),
    containerStatuses: z.array(z.object({ ready: z.boolean() })).default([]),
  }),
});

export type Pod = z.output<typeof POD>;

export const isReady = (pod: Pod): boolean => pod.status.phase === "Running" && pod.status.containerStatuses[0]?.ready === true;

/** The first sight of a pod of the namespace `default`, by name or by the name of its Deployment, for which `holds` is true. @throws with the last */
export function untilPod(cluster: Cluster, name: string, holds: (pod: Pod) => boolean): Promise<Pod> {
  const look = async () => {
    const { items } = await cluster.kubectlJson(["get", "pods"], z.object({ items: z.array(POD) }));
    const pods = items.filter(({ metadata }) => metadata.name === name || metadata.labels["app"] === name);
    const found = pods.find(holds);
    return found === undefined ? notYet<Pod>(JSON.stringify(pods)) : met(found);
  };
  return waitUntil(`pod ${name}`, look, { deadlineMs: DEADLINE_MS, everyMs: 300 });
}

/** The events of the namespace `default`, once one of them says this. */
export function untilEvent(cluster: Cluster, text: RegExp): Promise<string> {
  const look = async () => {
    const { stdout } = await cluster.kubectl(["get", "events", "-o", "custom-columns=MESSAGE:.message", "--no-headers"]);
    return text.test(stdout) ? met(stdout) : notYet<string>(stdout);
  };
  return waitUntil(`an event like ${text}`, look, { deadlineMs: DEADLINE_MS, everyMs: 500 });
}

/** The log of a pod, once it has this in it. */
export function untilLog(cluster: Cluster, name: string, wanted: RegExp): Promise<string> {
  const look = async () => {
    const { stdout, stderr } = await cluster.tryKubectl(["logs", name]);
    return wanted.test(stdout) ? met(stdout) : notYet<string>(stdout + stderr);
  };
  return waitUntil(`the log of ${name}`, look, { deadlineMs: DEADLINE_MS, everyMs: 300 });
}
