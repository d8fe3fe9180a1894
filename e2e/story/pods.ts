// SPDX-License-Identifier: Apache-2.0
// Pods of the story: the agents', and those that ask for devices.
import { join } from "node:path";
import { z } from "zod";
import { BUSYBOX_IMAGE } from "../image/busybox-image.ts";
import { until } from "./looking.ts";
import { type NodeName, RELEASE, type Stage } from "./stage.ts";

const STATE = z.object({
  running: z.object({ startedAt: z.string() }).optional(),
  waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
  terminated: z.object({ exitCode: z.number(), reason: z.string().optional(), message: z.string().optional() }).optional(),
});

const POD = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
  spec: z.object({ nodeName: z.string().optional(), serviceAccountName: z.string().optional() }),
  status: z.object({
    phase: z.string(),
    reason: z.string().optional(),
    message: z.string().optional(),
    nominatedNodeName: z.string().optional(),
    conditions: z
      .array(z.object({ type: z.string(), status: z.string(), reason: z.string().optional(), message: z.string().optional() }))
      .default([]),
    containerStatuses: z
      .array(z.object({ containerID: z.string().optional(), restartCount: z.number(), ready: z.boolean(), state: STATE }))
      .default([]),
  }),
});

export type Pod = z.output<typeof POD>;
export type Container = Pod["status"]["containerStatuses"][number];

/** A pod that prints its environment and goes on, asking for devices. With `node` it passes the scheduler by. */
export function workload(name: string, asks: { readonly resource: string; readonly node?: NodeName }): object {
  const container = {
    name: "main",
    image: BUSYBOX_IMAGE,
    imagePullPolicy: "Never",
    command: ["sh", "-c", "env | sort; exec sleep inf"],
    resources: { limits: { [asks.resource]: "1" } },
  };
  const placed = asks.node === undefined ? {} : { nodeName: asks.node };
  const spec = { ...placed, terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers: [container] };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, spec };
}

/** The agents' pods on a node, terminating ones included. */
export async function agentsOn(stage: Stage, node: NodeName): Promise<readonly Pod[]> {
  const query = `labelSelector=app.kubernetes.io/component=agent&fieldSelector=spec.nodeName=${node}`;
  const list = await stage.api.get(`/api/v1/namespaces/${RELEASE}/pods?${query}`, z.object({ items: z.array(POD) }));
  return list?.items ?? [];
}

/** The agent of a node once there is exactly one, it is ready, and `holds` is true of it. */
export async function untilAgent(stage: Stage, node: NodeName, holds: (container: Container, pod: Pod) => boolean = () => true): Promise<Pod> {
  const pods = await until({
    what: `the agent of ${node}`,
    read: () => agentsOn(stage, node),
    holds: ([pod, ...others]) => {
      const container = pod?.status.containerStatuses[0];
      if (pod === undefined || container?.ready !== true) return false;
      return others.length === 0 && pod.metadata.deletionTimestamp === undefined && holds(container, pod);
    },
    describe: (seen) => seen.map(summaryOf).join("; "),
  });
  return pods[0] as Pod;
}

/** The first sight of a pod of the namespace `default` for which `holds` is true. */
export async function untilPod(stage: Stage, name: string, sight: { readonly what: string; holds(pod: Pod): boolean }): Promise<Pod> {
  const pod = await until({
    what: `pod ${name}: ${sight.what}`,
    read: () => tryReadPod(stage, name),
    holds: (seen) => seen !== null && sight.holds(seen),
    describe: (seen) => (seen === null ? "not there" : summaryOf(seen)),
  });
  return pod as Pod;
}

/** @throws when there is no such pod in the namespace `default` */
export async function readPod(stage: Stage, name: string): Promise<Pod> {
  const pod = await tryReadPod(stage, name);
  if (pod === null) throw new Error(`no pod ${name}`);
  return pod;
}

function tryReadPod(stage: Stage, name: string): Promise<Pod | null> {
  return stage.api.get(`/api/v1/namespaces/default/pods/${name}`, POD);
}

export const isRunning = (pod: Pod): boolean => pod.status.containerStatuses[0]?.state.running !== undefined;

/** The scheduler has looked at the pod and found no place for it. */
export const isUnschedulable = (pod: Pod): boolean =>
  pod.status.phase === "Pending" && pod.status.conditions.some((each) => each.type === "PodScheduled" && each.reason === "Unschedulable");

/** @throws when the pod has no container that was ever made */
export function containerOf(pod: Pod): Container & { readonly containerID: string } {
  const container = pod.status.containerStatuses[0];
  const containerID = container?.containerID;
  if (container === undefined || containerID === undefined) throw new Error(`${pod.metadata.name} has no container yet`);
  return { ...container, containerID };
}

/** Sends a signal to a pod's first process, from the node. */
export async function signalPod(stage: Stage, pod: Pod, signal: "KILL" | "STOP" | "CONT"): Promise<void> {
  const node = stage.cluster.node(pod.spec.nodeName ?? "");
  const id = containerOf(pod).containerID.replace("containerd://", "");
  const { stdout } = await node.exec([join(stage.cluster.binaries, "ctr"), "-n", "k8s.io", "task", "ls"]);
  const pid = stdout.split("\n").flatMap((line) => (line.startsWith(id) ? [Number(line.split(/\s+/)[1])] : []))[0];
  if (pid === undefined) throw new Error(`no task of ${pod.metadata.name} on its node:\n${stdout}`);
  await node.exec(["sh", "-c", `kill -${signal} ${pid}`]);
  stage.tell(`kill -${signal} ${pid}: ${pod.metadata.name} on ${pod.spec.nodeName}`);
}

/** Deletes a pod and waits until nothing of it is left. */
export async function endPod(stage: Stage, name: string): Promise<void> {
  await stage.cluster.kubectl(["delete", "pod", name, "--wait=true", "--timeout=60s"]);
  stage.tell(`pod ${name} is gone`);
}

function summaryOf({ metadata, spec, status }: Pod): string {
  const conditions = status.conditions.filter((each) => each.status !== "True").map((each) => `${each.type}: ${each.message ?? each.reason ?? ""}`);
  const containers = status.containerStatuses.map((each) => `restarts ${each.restartCount}, ready ${each.ready}, ${JSON.stringify(each.state)}`);
  return [`${metadata.name} on ${spec.nodeName ?? "no node"} ${status.phase} ${status.message ?? ""}`, ...conditions, ...containers].join("; ");
}
