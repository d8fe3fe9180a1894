// SPDX-License-Identifier: Apache-2.0
import { type BarePlugin, buildBarePlugin } from "../baseline/bare-plugin.ts";
import type { Figure } from "../measure/context.ts";
import type { Running } from "../measure/processes.ts";
import { below, ms, type Row } from "../measure/row.ts";
import { nowMs, spreadOf } from "../measure/samples.ts";
import { when } from "../measure/waiting.ts";
import { RESOURCE, type Stage, setStage } from "../stage/stage.ts";

const AIM_MS = 250;

/**
 * Process start to registered: from the moment before the process is spawned until kubelet has accepted Register, which includes kubelet's dial
 * back. The host's units are trusted already, as after an upgrade of the agent; a first run fills V8's compile cache and is not counted.
 */
export const startUp: Figure = {
  name: "start-up",
  async measure(context) {
    const stage = await setStage(context, "tdx-connect-2s");
    const bare = await buildBarePlugin(context);
    const runs = context.quick ? 5 : 20;
    const registered: number[] = [];
    const listed: number[] = [];
    const bareRegistered: number[] = [];
    await once(stage, () => stage.startAgent());
    await once(stage, () => startBare(stage, bare));
    for (let i = 0; i < runs; i++) {
      const one = await once(stage, () => stage.startAgent());
      registered.push(one.registeredMs);
      listed.push(one.listedMs);
      bareRegistered.push((await once(stage, () => startBare(stage, bare))).registeredMs);
    }
    await stage.close();
    return [
      { ...row("process start → registered", registered), aim: below(AIM_MS, spreadOf(registered).p50, ms) },
      row("process start → devices listed", listed),
      row("  a bare grpc-js plugin → registered", bareRegistered),
    ];
  },
};

function startBare(stage: Stage, bare: BarePlugin): Running {
  return bare.start(stage.pluginDir, RESOURCE);
}

interface Start {
  readonly registeredMs: number;
  readonly listedMs: number;
}

async function once({ kubelet }: Stage, start: () => Running): Promise<Start> {
  const before = accepted();
  const one = start();
  const reach = async (what: string, met: () => boolean): Promise<number> => {
    await Promise.race([when(what, met, { listen: (listener) => kubelet.onChange(listener) }), one.died]);
    return nowMs() - one.spawnedMs;
  };
  const registeredMs = await reach("Register is accepted", () => accepted() > before);
  const listedMs = await reach("devices are listed", () => kubelet.allocatable(RESOURCE).length > 0);
  await one.stop();
  await when("kubelet has forgotten the devices", () => kubelet.allocatable(RESOURCE).length === 0, {
    listen: (listener) => kubelet.onChange(listener),
  });
  return { registeredMs, listedMs };

  function accepted(): number {
    return kubelet.registrations.filter((registration) => registration.problem === "").length;
  }
}

function row(what: string, samples: readonly number[]): Row {
  const { min, p50, max, count } = spreadOf(samples);
  return { what, measured: `median ${ms(p50)} (${ms(min)} to ${ms(max)}, ${count} starts)`, aim: null };
}
