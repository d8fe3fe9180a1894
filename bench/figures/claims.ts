// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DRA_DRIVER, draDeviceName, LINK_SECURED } from "../../src/domain/dra/names.ts";
import type { LinkEnable } from "../../src/domain/intent.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import type { BenchContext, Figure } from "../measure/context.ts";
import { type Running, residentBytes } from "../measure/processes.ts";
import { below, megabytes, ms, type Row } from "../measure/row.ts";
import { nowMs, spreadOf, timeEach } from "../measure/samples.ts";
import { seconds, when } from "../measure/waiting.ts";
import { startApiStandIn } from "../stage/api-stand-in.ts";
import { type ClaimCaller, callClaims } from "../stage/claim-caller.ts";
import { createDraStandIn, type DraStandIn } from "../stage/dra-stand-in.ts";
import { kubeconfigSource } from "../stage/in-cluster.ts";
import { type Stage, setStage } from "../stage/stage.ts";

/** What SPDM and IDE set-up take on a simulated host. */
const SPDM_MS = 300;
const AIM_OVER_FLOOR_MS = 300;
/** Of the host tdx-connect-2s, each alone on its slot. */
const DEVICES = ["0000:38:00.0", "0000:98:00.0", "0001:17:00.0"].map(draDeviceName);
const [FIRST = ""] = DEVICES;
/** The unit above the first of them. */
const UNIT = "0xc97fc000";
/** A lost unit keeps its pages, as it must. */
const LOSSES = 40;
const MANY_CLAIMS = 2_000;
const SETTLE_SECONDS = 12;

/** Claims of DRA: kubelet's calls with and without a link, a pod that waits for its link, slices after a change, and many claims of others. */
export const claims: Figure = {
  name: "claims",
  async measure(context) {
    return [
      ...(await onNode(context, "Never", async (node) => [await published(context, node), ...(await prepares(context, node, "no link asked for"))])),
      ...(await onNode(context, "OnPrepare", async (node) => [await bound(node), ...(await prepares(context, node, "its link secured"))])),
      ...(await onNode(context, "Never", async ({ agent }) => [await memoryRow("memory idle with DRA, in a cluster", agent)])),
      ...(await onNode(context, "Never", async ({ agent }) => [await memoryRow(`  with ${MANY_CLAIMS} claims of others`, agent)], MANY_CLAIMS)),
    ];
  },
};

interface Node {
  readonly stage: Stage;
  readonly dra: DraStandIn;
  readonly agent: Running;
  readonly caller: ClaimCaller;
  reach(what: string, met: () => boolean): Promise<void>;
}

async function onNode(
  context: BenchContext,
  linkEnable: LinkEnable,
  use: (node: Node) => Promise<readonly Row[]>,
  foreignClaims = 0,
): Promise<readonly Row[]> {
  const stage = await setStage(context, "tdx-connect-2s", linkEnable);
  // Kubelet's own.
  mkdirSync(join(stage.kubeletRoot, "plugins_registry"));
  const dra = createDraStandIn();
  dra.addForeign(foreignClaims);
  const api = await startApiStandIn(dra, linkEnable);
  const source = kubeconfigSource(stage.path, api);
  const words = [...source.words, "--dra", "on", "--kubelet-root", stage.kubeletRoot, "--cdi-dir", join(stage.path, "cdi")];
  const agent = stage.startAgent({ ...source, words });
  const reach = (what: string, met: () => boolean): Promise<void> =>
    Promise.race([when(what, met, { listen: (listener) => dra.onWrite(listener) }), agent.died]);
  const caller = callClaims(join(stage.kubeletRoot, "plugins", DRA_DRIVER, "dra.sock"), "bench");
  try {
    await reach("slices list the devices", () => DEVICES.every((device) => dra.listed().has(device)));
    await Promise.race([caller.ready(), agent.died]);
    return await use({ stage, dra, agent, caller, reach });
  } finally {
    caller.close();
    await agent.stop();
    await Promise.all([stage.close(), api.close()]);
  }
}

/** Each with the claim's own read from the API server, and its file written. */
async function prepares({ quick }: BenchContext, { dra, caller }: Node, what: string): Promise<readonly Row[]> {
  for (const device of DEVICES) dra.allocate(device, device);
  const took: number[] = [];
  let turn = 0;
  const once = async (): Promise<void> => {
    const name = DEVICES[turn++ % DEVICES.length] ?? "";
    const beganMs = nowMs();
    await caller.prepare(name);
    took.push(nowMs() - beganMs);
    await caller.unprepare(name);
  };
  await timeEach(quick ? 30 : 200, once); // Until both sides' code is compiled.
  took.length = 0;
  await timeEach(quick ? 100 : 1_000, once);
  const { p50, p99, count } = spreadOf(took);
  return [{ what: `Prepare of a claim, ${what}`, measured: `p50 ${ms(p50)}, p99 ${ms(p99)} (${count} calls)`, aim: null }];
}

/** From the scheduler's allocation to the condition that its pod waits for. */
async function bound({ dra, reach }: Node): Promise<Row> {
  const took: number[] = [];
  for (const device of DEVICES) {
    const beganMs = nowMs();
    dra.allocate(device, device);
    await reach(`${LINK_SECURED} of ${device}`, () => dra.conditions(device).includes(LINK_SECURED));
    took.push(nowMs() - beganMs);
  }
  const { min, max } = spreadOf(took);
  return {
    what: `allocated → LinkSecured written, SPDM ${ms(SPDM_MS)}`,
    measured: `${ms(min)} to ${ms(max)} (${took.length} claims)`,
    aim: below(SPDM_MS + AIM_OVER_FLOOR_MS, max, ms),
  };
}

/** From the moment before the simulated TDX module is told that a unit is gone until the API server has the slice without its device. */
async function published({ quick }: BenchContext, { stage, dra, reach }: Node): Promise<Row> {
  const simulation = simulationOf();
  const took: number[] = [];
  for (let i = 0; i < (quick ? 10 : LOSSES); i += 1) {
    const beganMs = nowMs();
    simulation.removeUnit(stage.host.simulatorState, UNIT);
    await reach("slices without the device", () => !dra.listed().has(FIRST));
    took.push(nowMs() - beganMs);
    simulation.restoreUnit(stage.host.simulatorState, UNIT);
    await reach("slices with the device again", () => dra.listed().has(FIRST));
  }
  const { p50, p99, count } = spreadOf(took);
  return { what: "unit lost → slice written", measured: `p50 ${ms(p50)}, p99 ${ms(p99)} (${count} losses)`, aim: null };
}

async function memoryRow(what: string, agent: Running): Promise<Row> {
  await Promise.race([seconds(SETTLE_SECONDS), agent.died]);
  return { what, measured: megabytes(residentBytes(agent.pid)), aim: null };
}
