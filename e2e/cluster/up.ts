// SPDX-License-Identifier: Apache-2.0
// A cluster to look at by hand: `node e2e/cluster/up.ts [NODE...]` starts one, says how to reach it, and stops it on Ctrl-C.
import { checkAvailability } from "./availability.ts";
import { ensureBinaries } from "./binaries.ts";
import { startCluster } from "./cluster.ts";
import { readEnvironment } from "./environment.ts";
import { startProgress } from "./progress.ts";

const environment = readEnvironment();
const progress = startProgress();
const answer = await checkAvailability(environment, progress);
if (answer.available) {
  const binaries = await ensureBinaries(answer.plan, environment, progress);
  const names = process.argv.slice(2);
  const cluster = await startCluster({ nodes: names.length === 0 ? ["n1", "n2"] : names, binaries, environment, progress });
  progress(`nsenter -t ${cluster.controlPlanePid} -m -n -p -- ${binaries}/kubectl --kubeconfig ${cluster.folder}/admin.kubeconfig get nodes`);
  progress("Ctrl-C stops it");
  process.stdin.resume();
} else {
  progress(`not possible here: ${answer.reason}`);
  process.exitCode = 1;
}
