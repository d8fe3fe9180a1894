// SPDX-License-Identifier: Apache-2.0
import { buildBarePlugin } from "../baseline/bare-plugin.ts";
import type { BenchContext, Figure } from "../measure/context.ts";
import { cpuMs, type Running, residentBytes } from "../measure/processes.ts";
import { below, megabytes, percent, type Row } from "../measure/row.ts";
import { seconds } from "../measure/waiting.ts";
import { startApiStandIn } from "../stage/api-stand-in.ts";
import { kubeconfigSource, podSource } from "../stage/in-cluster.ts";
import { RESOURCE, type Stage, setStage } from "../stage/stage.ts";

const AIM_CPU = 0.001;
const AIM_STANDALONE_BYTES = 80_000_000;
const AIM_CLUSTER_BYTES = 110_000_000;
const OFFERED = 9;
/** Set-up has ended by then: compiled code is stored, the last status is written, kubelet's views are read. */
const SETTLE_SECONDS = 12;

/**
 * An agent with nothing to do, its devices offered: CPU over a minute and resident memory at the end of it, standalone, as in a pod and with a
 * kubeconfig (both against a stand-in of the API server, over TLS), beside a bare plugin. All at once: each of them sleeps.
 */
export const idle: Figure = {
  name: "idle",
  async measure(context) {
    const stage = (): Promise<Stage> => setStage(context, "tdx-connect-2s");
    const stages = await Promise.all([stage(), stage(), stage(), setStage(context, "one-unit")]);
    const [standalone, pod, outside, plain] = stages;
    const apis = await Promise.all([startApiStandIn(), startApiStandIn()]);
    const agents = {
      standalone: standalone.startAgent(),
      pod: pod.startAgent(podSource(pod.path, apis[0])),
      outside: outside.startAgent(kubeconfigSource(outside.path, apis[1])),
      bare: (await buildBarePlugin(context)).start(plain.pluginDir, RESOURCE),
    };
    await Promise.all([
      standalone.offered(agents.standalone, OFFERED),
      pod.offered(agents.pod, OFFERED),
      outside.offered(agents.outside, OFFERED),
      plain.offered(agents.bare, 1),
    ]);
    await seconds(SETTLE_SECONDS);
    const rows = await watch(context, agents);
    await Promise.all(Object.values(agents).map((one) => one.stop()));
    await Promise.all([...stages, ...apis].map((one) => one.close()));
    return rows;
  },
};

type Agents = Readonly<Record<"standalone" | "pod" | "outside" | "bare", Running>>;

async function watch(context: BenchContext, agents: Agents): Promise<readonly Row[]> {
  const watched = context.quick ? 10 : 60;
  const before = new Map(Object.values(agents).map((one) => [one, cpuMs(one.pid)]));
  await Promise.race([seconds(watched), ...Object.values(agents).map((one) => one.died)]);
  const cpu = (one: Running): number => (cpuMs(one.pid) - (before.get(one) ?? 0)) / (watched * 1000);
  const cpuRow = (what: string, one: Running, aim: number | null): Row => ({
    what,
    measured: percent(cpu(one)),
    aim: aim === null ? null : below(aim, cpu(one), percent),
  });
  const memoryRow = (what: string, one: Running, aim: number | null): Row => {
    const bytes = residentBytes(one.pid);
    return { what, measured: megabytes(bytes), aim: aim === null ? null : below(aim, bytes, megabytes) };
  };
  const idleFor = `CPU idle over ${watched} s`;
  return [
    cpuRow(`${idleFor}, standalone`, agents.standalone, AIM_CPU),
    cpuRow(`${idleFor}, in a cluster`, agents.pod, AIM_CPU),
    cpuRow("  with a kubeconfig", agents.outside, null),
    cpuRow("  a bare grpc-js plugin", agents.bare, null),
    memoryRow("memory idle, standalone", agents.standalone, AIM_STANDALONE_BYTES),
    memoryRow("memory idle, in a cluster", agents.pod, AIM_CLUSTER_BYTES),
    memoryRow("  with a kubeconfig", agents.outside, null),
    memoryRow("  a bare grpc-js plugin", agents.bare, null),
  ];
}
