// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { z } from "zod";
import { AGENT_IMAGE, agentImage } from "../image/agent-image.ts";
import { BUSYBOX_IMAGE } from "../image/busybox-image.ts";
import { SCHEMAS_FOLDER } from "./binaries.ts";
import { planCgroupPaths } from "./cgroups.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { processesNaming } from "./identity.ts";
import { SIMULATED_HOST_PATH } from "./node-ground.ts";
import { openRung, rungTitle } from "./rung.ts";
import { schemaLocation } from "./schemas.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

const rung = await openRung();

describe.skipIf(rung.skipReason !== null)(rungTitle("a cluster of two nodes", rung), () => {
  let cluster: Cluster;
  let failed = false;

  beforeAll(async () => {
    const binaries = await rung.binaries();
    cluster = await startCluster({ nodes: ["n1", "n2"], binaries, environment: rung.environment, progress: rung.progress });
  });

  afterAll(async () => {
    await cluster?.stop({ failed });
  });

  const noteFailure = () =>
    onTestFailed(() => {
      failed = true;
    });

  test("has both nodes ready, under the version it was built as", async () => {
    noteFailure();
    const nodes = await cluster.kubectlJson(["get", "nodes"], NODES);
    const seen = nodes.items.map((node) => [node.metadata.name, node.status.nodeInfo.kubeletVersion]);
    expect(seen).toEqual([
      ["n1", "v1.37.2"],
      ["n2", "v1.37.2"],
    ]);
  });

  test("runs a pod on each node, and the pods reach each other", async () => {
    noteFailure();
    const script = "echo started on $NODE; mkdir www; echo hello from $NODE > www/index.html; exec httpd -f -p 8080 -h www";
    for (const node of ["n1", "n2"]) await cluster.apply(pod({ name: `pod-${node}`, node, image: BUSYBOX_IMAGE, command: ["sh", "-c", script] }));
    await cluster.kubectl(["wait", "--for=condition=Ready", "pod/pod-n1", "pod/pod-n2", "--timeout=60s"]);
    rung.progress("a pod ready on each node");
    const pods = await cluster.kubectlJson(["get", "pods"], PODS);
    expect(pods.items.map((each) => [each.metadata.name, each.spec.nodeName])).toEqual([
      ["pod-n1", "n1"],
      ["pod-n2", "n2"],
    ]);
    const address = pods.items[1]?.status.podIP ?? "none";
    const answer = await waitUntil("an answer of the pod on n2", () => ask(cluster, address), { deadlineMs: 30_000 });
    expect(answer).toBe("hello from n2");
  });

  test("shows pods' logs through the API server, and in the run's folder", async () => {
    noteFailure();
    const look = async () => {
      const { stdout } = await cluster.kubectl(["logs", "pod-n1"]);
      return stdout.includes("started on n1") ? met(stdout) : notYet<string>(stdout);
    };
    await waitUntil("the log of a pod", look, { deadlineMs: 30_000 });
    expect(readdirSync(cluster.node("n1").podLogsFolder).some((name) => name.startsWith("default_pod-n1_"))).toBe(true);
  });

  test("keeps a node's pods when its kubelet is killed and started again", async () => {
    noteFailure();
    const node = cluster.node("n1");
    await node.restartKubelet();
    rung.progress("kubelet of n1 killed and started");
    await cluster.kubectl(["wait", "--for=condition=Ready", "node/n1", "pod/pod-n1", "--timeout=60s"]);
    const pods = await cluster.kubectlJson(["get", "pods"], PODS);
    expect(pods.items.map((each) => each.status.containerStatuses?.[0]?.restartCount)).toEqual([0, 0]);
    expect(existsSync(join(node.kubeletFolder, "device-plugins/kubelet.sock"))).toBe(true);
    expect(existsSync(join(node.kubeletFolder, "pod-resources/kubelet.sock"))).toBe(true);
    expect(await cluster.allocatable("n1")).toMatchObject({ pods: "110" });
  });

  test("runs the project's own image, with the node's folders, and the API server at its service address", async () => {
    noteFailure();
    const archive = await agentImage(ROOT);
    rung.progress("agent image written");
    await cluster.node("n1").importImage(archive);
    rung.progress("agent image imported");
    writeFileSync(join(cluster.node("n1").hostFolder, "marker"), "n1's host");
    const image = { node: "n1", image: AGENT_IMAGE, hostPath: SIMULATED_HOST_PATH };
    await cluster.apply(pod({ ...image, name: "program", args: ["--help"] }));
    await cluster.apply(pod({ ...image, name: "script", command: ["/usr/bin/node", "--input-type=module", "--eval", SCRIPT] }));
    await cluster.kubectl(["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/program", "pod/script", "--timeout=60s"]);
    expect((await cluster.kubectl(["logs", "program"])).stdout).toContain("trusted-iommu");
    expect((await cluster.kubectl(["logs", "script"])).stdout).toBe(`${process.version} n1's host v1.37.2 object\n`);
  });

  test("brings Helm, and kubeconform with schemas of the same API", async () => {
    noteFailure();
    expect((await cluster.exec(["helm", "list", "--output", "json"])).stdout.trim()).toBe("[]");
    const schemas = schemaLocation(join(cluster.binaries, SCHEMAS_FOLDER));
    const judge = (object: object) => cluster.exec(["kubeconform", "-strict", "-schema-location", schemas], { input: JSON.stringify(object) });
    const good = pod({ name: "good", node: "n1", image: BUSYBOX_IMAGE });
    await judge(good);
    await expect(judge({ ...good, spc: {} })).rejects.toThrow("additional properties 'spc' not allowed");
  });

  test("refuses unknown fields", async () => {
    noteFailure();
    const refused = await cluster.tryApply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, dat: {} });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("dat");
  });

  test("leaves nothing behind when it stops", async () => {
    noteFailure();
    const id = basename(dirname(cluster.logs));
    expect(processesNaming(cluster.folder)).not.toEqual([]);
    await cluster.stop({ failed });
    expect(processesNaming(cluster.folder)).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(id);
    expect(planCgroupPaths(`trusted-iommu-${id}-n1`).filter(existsSync)).toEqual([]);
    expect(existsSync(join(dirname(cluster.logs), "ledger.jsonl"))).toBe(false);
  });
});

/** Prints its Node, what it finds in the mounted folder, what the API server says it is, and what the addon gives. */
const SCRIPT = `
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { createRequire } from "node:module";
import { json } from "node:stream/consumers";
const account = "/var/run/secrets/kubernetes.io/serviceaccount";
const options = { ca: readFileSync(account + "/ca.crt"), headers: { authorization: "Bearer " + readFileSync(account + "/token", "utf8") } };
const addon = typeof createRequire("/app/")("./tdx_iommu.node");
get("https://10.96.0.1/version", options, async (answer) => {
  console.log(process.version, readFileSync("/host/marker", "utf8"), (await json(answer)).gitVersion, addon);
});
`;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const NODES = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.string() }), status: z.object({ nodeInfo: z.object({ kubeletVersion: z.string() }) }) })),
});

const PODS = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({ nodeName: z.string() }),
      status: z.object({ podIP: z.string(), containerStatuses: z.array(z.object({ restartCount: z.number() })).optional() }),
    }),
  ),
});

interface PodWish {
  readonly name: string;
  readonly node: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly hostPath?: string;
}

function pod(wish: PodWish): object {
  const host = wish.hostPath === undefined ? [] : [{ name: "host", hostPath: { path: wish.hostPath, type: "Directory" } }];
  const container = {
    name: "main",
    image: wish.image,
    imagePullPolicy: "Never",
    ...(wish.command === undefined ? {} : { command: wish.command }),
    ...(wish.args === undefined ? {} : { args: wish.args }),
    env: [{ name: "NODE", value: wish.node }],
    volumeMounts: host.map(({ name }) => ({ name, mountPath: "/host" })),
  };
  const spec = { nodeName: wish.node, restartPolicy: "Never", terminationGracePeriodSeconds: 0, containers: [container], volumes: host };
  return { apiVersion: "v1", kind: "Pod", metadata: { name: wish.name, namespace: "default" }, spec };
}

async function ask(cluster: Cluster, address: string) {
  const answer = await cluster.tryKubectl(["exec", "pod-n1", "--", "wget", "-q", "-O", "-", `http://${address}:8080/`]);
  return answer.stdout === "" ? notYet<string>(answer.stderr.trim()) : met(answer.stdout.trim());
}
