// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildBarePlugin } from "../baseline/bare-plugin.ts";
import type { BenchContext, Figure } from "../measure/context.ts";
import { cpuMs, type Running, residentBytes } from "../measure/processes.ts";
import { below, megabytes, percent, type Row } from "../measure/row.ts";
import { seconds } from "../measure/waiting.ts";
import { startApiStandIn } from "../stage/api-stand-in.ts";
import { RESOURCE, type Stage, setStage } from "../stage/stage.ts";

const AIM_CPU = 0.001;
const AIM_STANDALONE_BYTES = 80_000_000;
const AIM_CLUSTER_BYTES = 110_000_000;
const OFFERED = 9;
/** Set-up has ended by then: compiled code is stored, the last status is written, kubelet's views are read. */
const SETTLE_SECONDS = 12;

/**
 * An agent with nothing to do, its devices offered: CPU over a minute and resident memory at the end of it, standalone and in a cluster (against
 * an HTTP stand-in of the API server, so without TLS), beside a bare plugin. All three at once: each of them sleeps.
 */
export const idle: Figure = {
  name: "idle",
  async measure(context) {
    const stages = await Promise.all([setStage(context, "tdx-connect-2s"), setStage(context, "tdx-connect-2s"), setStage(context, "one-unit")]);
    const [standalone, clustered, plain] = stages;
    const api = await startApiStandIn();
    const words = ["--node", "bench", "--kubeconfig", kubeconfig(clustered, api.url)];
    const processes = [
      standalone.startAgent(),
      clustered.startAgent(words),
      (await buildBarePlugin(context)).start(plain.pluginDir, RESOURCE),
    ] as const;
    await Promise.all([standalone.offered(processes[0], OFFERED), clustered.offered(processes[1], OFFERED), plain.offered(processes[2], 1)]);
    await seconds(SETTLE_SECONDS);
    const rows = await watch(context, processes);
    await Promise.all(processes.map((one) => one.stop()));
    await Promise.all(stages.map((stage) => stage.close()));
    await api.close();
    return rows;
  },
};

async function watch(context: BenchContext, processes: readonly [Running, Running, Running]): Promise<readonly Row[]> {
  const watched = context.quick ? 10 : 60;
  const before = processes.map((one) => cpuMs(one.pid));
  await Promise.race([seconds(watched), ...processes.map((one) => one.died)]);
  const cpu = processes.map((one, index) => (cpuMs(one.pid) - (before[index] ?? 0)) / (watched * 1000));
  const [alone, clustered, bare] = [cpu[0] ?? 0, cpu[1] ?? 0, cpu[2] ?? 0];
  const [aloneBytes, clusteredBytes, bareBytes] = [residentBytes(processes[0].pid), residentBytes(processes[1].pid), residentBytes(processes[2].pid)];
  const what = `CPU idle over ${watched} s`;
  return [
    { what: `${what}, standalone`, measured: percent(alone), aim: below(AIM_CPU, alone, percent) },
    { what: `${what}, in a cluster`, measured: percent(clustered), aim: below(AIM_CPU, clustered, percent) },
    { what: "  a bare grpc-js plugin", measured: percent(bare), aim: null },
    { what: "memory idle, standalone", measured: megabytes(aloneBytes), aim: below(AIM_STANDALONE_BYTES, aloneBytes, megabytes) },
    { what: "memory idle, in a cluster", measured: megabytes(clusteredBytes), aim: below(AIM_CLUSTER_BYTES, clusteredBytes, megabytes) },
    { what: "  a bare grpc-js plugin", measured: megabytes(bareBytes), aim: null },
  ];
}

function kubeconfig(stage: Stage, server: string): string {
  const path = join(stage.path, "kubeconfig.yaml");
  const named = (name: string, value: object): object => ({ name, ...value });
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "bench",
    clusters: [named("bench", { cluster: { server } })],
    users: [named("bench", { user: {} })],
    contexts: [named("bench", { context: { cluster: "bench", user: "bench" } })],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}
