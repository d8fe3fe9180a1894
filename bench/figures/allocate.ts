// SPDX-License-Identifier: Apache-2.0
import { buildBarePlugin } from "../baseline/bare-plugin.ts";
import type { BenchContext, Figure } from "../measure/context.ts";
import { cpuMs, type Running } from "../measure/processes.ts";
import { above, below, both, ms, perSecond, type Row } from "../measure/row.ts";
import { spreadOf, timeCrowd, timeEach } from "../measure/samples.ts";
import { callPlugin } from "../stage/plugin-caller.ts";
import { RESOURCE, type Stage, setStage } from "../stage/stage.ts";

const AIM_P50_MS = 0.3;
const AIM_P99_MS = 1;
const AIM_PER_SECOND = 10_000;
const AT_ONCE = 16;
/** What the host tdx-connect-2s offers: these and their virtual functions. */
const OFFERED = 9;
const DEVICES = ["0000:16:00.0", "0000:38:00.0", "0000:98:00.0", "0001:17:00.0"];

/**
 * Allocate as seen by its caller, over the plugin's unix socket. The caller is the bench's own process, on grpc-js too: on a machine with few
 * cores the two share them, so the plugin alone can do more than these figures say. The bare plugin is called in the same way.
 */
export const allocate: Figure = {
  name: "allocate",
  async measure(context) {
    const stage = await setStage(context, "tdx-connect-2s");
    const agent = stage.startAgent();
    await stage.offered(agent, OFFERED);
    const ours = await measureOne(context, stage, agent);
    await agent.stop();
    const bare = (await buildBarePlugin(context)).start(stage.pluginDir, RESOURCE);
    await stage.offered(bare, 1);
    const theirs = await measureOne(context, stage, bare);
    await bare.stop();
    await stage.close();
    const show = (value: number, name: string): string => `${ms(value)} ${name}`;
    const alone = both(
      below(AIM_P50_MS, ours.alone.p50, (value) => show(value, "p50")),
      below(AIM_P99_MS, ours.alone.p99, (value) => show(value, "p99")),
    );
    return [
      { ...ours.rows.alone, aim: alone },
      { ...ours.rows.crowd, aim: above(AIM_PER_SECOND, ours.perSecond, perSecond) },
      { ...theirs.rows.alone, what: "  a bare grpc-js plugin, alone" },
      { ...theirs.rows.crowd, what: `  a bare grpc-js plugin, ${AT_ONCE} at once` },
    ];
  },
};

interface Measured {
  readonly alone: { readonly p50: number; readonly p99: number };
  readonly perSecond: number;
  readonly rows: { readonly alone: Row; readonly crowd: Row };
}

async function measureOne({ quick }: BenchContext, stage: Stage, plugin: Running): Promise<Measured> {
  const caller = callPlugin(stage.socket());
  let turn = 0;
  const call = (): Promise<unknown> => caller.allocate(DEVICES[turn++ % DEVICES.length] ?? "");
  const run = async (): Promise<Measured> => {
    await timeEach(quick ? 500 : 2_000, call); // Until both sides' code is compiled.
    const alone = spreadOf(await timeEach(quick ? 1_000 : 5_000, call));
    const cpuBeforeMs = cpuMs(plugin.pid);
    const crowd = await timeCrowd(AT_ONCE, quick ? 8_000 : 40_000, call);
    const cpu = (cpuMs(plugin.pid) - cpuBeforeMs) / crowd.samples.length;
    const each = spreadOf(crowd.samples);
    const rows = {
      alone: { what: "Allocate, alone", measured: `p50 ${ms(alone.p50)}, p99 ${ms(alone.p99)} (${alone.count} calls)`, aim: null },
      crowd: {
        what: `Allocate, ${AT_ONCE} at once`,
        measured: `${perSecond(crowd.perSecond)} (each p50 ${ms(each.p50)}, p99 ${ms(each.p99)}; ${ms(cpu)} of CPU in the plugin)`,
        aim: null,
      },
    };
    return { alone, perSecond: crowd.perSecond, rows };
  };
  try {
    return await Promise.race([run(), plugin.died]);
  } finally {
    caller.close();
  }
}
