// SPDX-License-Identifier: Apache-2.0
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import type { Figure } from "../measure/context.ts";
import { below, ms } from "../measure/row.ts";
import { nowMs, spreadOf } from "../measure/samples.ts";
import { when } from "../measure/waiting.ts";
import { callPlugin } from "../stage/plugin-caller.ts";
import { setStage } from "../stage/stage.ts";

const AIM_P99_MS = 50;
/** The unit of the device below, on the host tdx-connect-2s. */
const UNIT = "0xc97fc000";
const DEVICE = "0000:38:00.0";
const OFFERED = 9;
/** A lost unit keeps its pages, as it must; the host is rebooted before they run out. */
const LOSSES_A_BOOT = 40;

/**
 * Unit lost to the stream update: from the moment before the simulated TDX module is told until a ListAndWatch stream of another process has
 * read the list without the unit's device. The time to write and read the list is in it.
 */
export const lostUnit: Figure = {
  name: "lost-unit",
  async measure(context) {
    const stage = await setStage(context, "tdx-connect-2s");
    const simulation = simulationOf();
    const agent = stage.startAgent();
    await stage.offered(agent, OFFERED);
    let healthy: ReadonlySet<string> = new Set();
    let listener = (): void => undefined;
    const listen = (then: () => void): (() => void) => {
      listener = then;
      return () => undefined;
    };
    const caller = callPlugin(stage.socket());
    caller.watch((list) => {
      healthy = list;
      listener();
    });
    const reach = (what: string, met: () => boolean): Promise<void> => Promise.race([when(what, met, { listen }), agent.died]);
    await reach("the stream has the device", () => healthy.has(DEVICE));
    const samples: number[] = [];
    for (let i = 0; i < (context.quick ? 30 : 300); i++) {
      const beganMs = nowMs();
      simulation.removeUnit(stage.host.simulatorState, UNIT);
      await reach("the list without the device", () => !healthy.has(DEVICE));
      samples.push(nowMs() - beganMs);
      simulation.restoreUnit(stage.host.simulatorState, UNIT);
      await reach("the list with the device again", () => healthy.has(DEVICE));
      if ((i + 1) % LOSSES_A_BOOT > 0) continue;
      simulation.reboot(stage.host.simulatorState);
      await reach("the list without any device", () => healthy.size === 0);
      await reach("the list with all devices again", () => healthy.size === OFFERED);
    }
    caller.close();
    await agent.stop();
    await stage.close();
    const { p50, p99, max, count } = spreadOf(samples);
    const measured = `p50 ${ms(p50)}, p99 ${ms(p99)} (max ${ms(max)}, ${count} losses)`;
    return [{ what: "unit lost → stream update read", measured, aim: below(AIM_P99_MS, p99, (value) => `${ms(value)} p99`) }];
  },
};
