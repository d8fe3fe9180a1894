// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { createHostReader } from "../../src/host/reader.ts";
import { createSimulatedHost } from "../../src/stand-in/host/create.ts";
import { loadHostDescription } from "../../src/stand-in/host/load-description.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import type { BenchContext, Figure } from "../measure/context.ts";
import { below, ms, type Row } from "../measure/row.ts";
import { nowMs, spreadOf, timeEach } from "../measure/samples.ts";

/** One observe of the host: the whole rendered tree, read by the one reader. The first reading of a new reader is told apart: it has no cache. */
export const observe: Figure = {
  name: "observe",
  async measure(context) {
    return [await measureHost(context, "sapphire-rapids-2s", 20), await measureHost(context, "large", 150)];
  },
};

async function measureHost(context: BenchContext, name: string, aimMs: number): Promise<Row> {
  const description = loadHostDescription(join(context.root, "hosts", `${name}.yaml`));
  const host = createSimulatedHost(join(context.scratch(name), "sim"), { description, control: simulationOf() });
  const reader = createHostReader({ root: host.hostRoot });
  const beganMs = nowMs();
  const view = await reader.observe();
  const firstMs = nowMs() - beganMs;
  const samples = await timeEach(context.quick ? 10 : 60, () => reader.observe());
  const { p50, p99 } = spreadOf(samples);
  return {
    what: `one observe, ${view.units.length} units, ${view.functions.length.toLocaleString("en-US")} functions`,
    measured: `p50 ${ms(p50)}, p99 ${ms(p99)} (first ${ms(firstMs)})`,
    aim: below(aimMs, p50, ms),
  };
}
