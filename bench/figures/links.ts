// SPDX-License-Identifier: Apache-2.0
import type { BenchContext, Figure } from "../measure/context.ts";
import { below, ms, type Row } from "../measure/row.ts";
import { nowMs, spreadOf, timeEach } from "../measure/samples.ts";
import { callPlugin, type PluginCaller } from "../stage/plugin-caller.ts";
import { setStage } from "../stage/stage.ts";

/** What SPDM and IDE set-up take on a simulated host: the floor of a link that has to be secured. */
const SPDM_MS = 300;
const AIM_OVER_FLOOR_MS = 200;
/** Of the host tdx-connect-2s, each alone on its slot. */
const DEVICES = ["0000:38:00.0", "0000:98:00.0", "0001:17:00.0"];
const [SLOW = "", ...OTHERS] = DEVICES;
const LONG_CONNECT_MS = 20_000;

/** Starting a container with and without a link to secure, and Allocate while the link of another slot is being secured. */
export const links: Figure = {
  name: "links",
  async measure(context) {
    return [await withoutLinks(context), ...(await withLinks(context)), await besideConnect(context)];
  },
};

async function withPlugin<T>(
  context: BenchContext,
  linkEnable: "Never" | "OnPrepare",
  use: (caller: PluginCaller) => Promise<T>,
  slow = false,
): Promise<T> {
  const stage = await setStage(context, "tdx-connect-2s", linkEnable);
  if (slow) stage.host.linkFault({ address: SLOW, errno: null, delayMs: LONG_CONNECT_MS, times: null });
  const agent = stage.startAgent();
  await stage.offers(agent, DEVICES);
  const caller = callPlugin(stage.socket());
  try {
    return await Promise.race([use(caller), agent.died]);
  } finally {
    caller.close();
    await agent.stop();
    await stage.close();
  }
}

function withoutLinks(context: BenchContext): Promise<Row> {
  return withPlugin(context, "Never", async (caller) => {
    for (const id of DEVICES) await caller.allocate(id);
    return { what: "PreStart, no link asked for", measured: await timed(context, preStarts(caller)), aim: null };
  });
}

function withLinks(context: BenchContext): Promise<readonly Row[]> {
  return withPlugin(context, "OnPrepare", async (caller) => {
    const waits: number[] = [];
    for (const id of DEVICES) {
      const beganMs = nowMs();
      await caller.allocate(id);
      await caller.preStart(id);
      waits.push(nowMs() - beganMs);
    }
    const { min, max } = spreadOf(waits);
    return [
      {
        what: `Allocate to a secured link and PreStart's yes, SPDM ${ms(SPDM_MS)}`,
        measured: `${ms(min)} to ${ms(max)} (${waits.length} devices)`,
        aim: below(SPDM_MS + AIM_OVER_FLOOR_MS, max, ms),
      },
      { what: "PreStart, its link secured", measured: await timed(context, preStarts(caller)), aim: null },
    ];
  });
}

function besideConnect(context: BenchContext): Promise<Row> {
  return withPlugin(
    context,
    "OnPrepare",
    async (caller) => {
      let turn = 0;
      const allocate = (): Promise<unknown> => caller.allocate(OTHERS[turn++ % OTHERS.length] ?? "");
      await timeEach(500, allocate);
      await caller.allocate(SLOW);
      return { what: `Allocate of others, while a link is secured for ${ms(LONG_CONNECT_MS)}`, measured: await timed(context, allocate), aim: null };
    },
    true,
  );
}

function preStarts(caller: PluginCaller): () => Promise<void> {
  let turn = 0;
  return () => caller.preStart(DEVICES[turn++ % DEVICES.length] ?? "");
}

async function timed({ quick }: BenchContext, call: () => Promise<unknown>): Promise<string> {
  await timeEach(quick ? 200 : 1_000, call); // Until both sides' code is compiled.
  const { p50, p99, count } = spreadOf(await timeEach(quick ? 500 : 3_000, call));
  return `p50 ${ms(p50)}, p99 ${ms(p99)} (${count} calls)`;
}
