// SPDX-License-Identifier: Apache-2.0
// What is kept, and shown, when the story goes wrong. Logs of all programs and pods are in the run's folder anyway.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tailOf } from "../cluster/program.ts";
import { agentLog } from "./agent-log.ts";
import { NODES, type Stage } from "./stage.ts";

const LOOKS: Readonly<Record<string, readonly string[]>> = {
  "tiommu.yaml": ["get", "tiommu", "-o", "yaml"],
  "events.txt": ["get", "events", "-A", "--sort-by=.metadata.creationTimestamp"],
  "pods.yaml": ["get", "pods", "-A", "-o", "yaml"],
  "pods.txt": ["get", "pods", "-A", "-o", "wide"],
  "nodes.yaml": ["get", "nodes", "-o", "yaml"],
};

/** Shown at once; the rest is in files. */
const SHOWN: ReadonlySet<string> = new Set(["pods.txt", "events.txt"]);
const LINES = 15;

/** Writes what the cluster, the agents and the simulated hosts look like now to `logs/evidence`, and shows the end of it. */
export async function keepEvidence(stage: Stage, test: string): Promise<void> {
  const { cluster, tell } = stage;
  const folder = join(cluster.logs, "evidence");
  mkdirSync(folder, { recursive: true });
  const keep = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  tell(`went wrong: ${test}; evidence is in ${folder}`);
  for (const [name, args] of Object.entries(LOOKS)) {
    const { stdout, stderr } = await cluster.tryKubectl(args);
    keep(name, stdout + stderr);
    if (SHOWN.has(name)) show(stage, `kubectl ${args.join(" ")}`, (stdout + stderr).trimEnd().split("\n").slice(-LINES));
  }
  for (const node of NODES) {
    keep(`module-${node}.json`, await stage.simulate(node, "show", "--output", "json"));
    const lines = agentLog(stage, node).map((line) => `${line.time} ${line.message} ${JSON.stringify(line.fields)}`);
    keep(`agent-${node}.log`, lines.join("\n"));
    show(stage, `the agent of ${node}`, lines.slice(-LINES));
    show(stage, `kubelet of ${node}`, tailOf(join(cluster.logs, `${node}-kubelet.log`), LINES).split("\n"));
  }
}

function show({ tell }: Stage, title: string, lines: readonly string[]): void {
  tell([`--- ${title}`, ...lines.map((line) => `    ${line.slice(0, 300)}`)].join("\n"));
}
