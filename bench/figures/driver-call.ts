// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadAddon, type NativeHandle } from "../../src/native/addon.ts";
import { createSimulatedHost } from "../../src/stand-in/host/create.ts";
import { loadHostDescription } from "../../src/stand-in/host/load-description.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import type { BenchContext, Figure } from "../measure/context.ts";
import { below, microseconds, times } from "../measure/row.ts";
import { nowMs, spreadOf, timeEach } from "../measure/samples.ts";

const AIM_TIMES = 1.5;
const AT_ONCE = 64;
const HOST = "tdx-connect-2s";

const run = promisify(execFile);

/**
 * A LIST through the addon against the same LIST of the same backend from plain C. Alone, the addon's call also crosses to a thread and back;
 * with many under way at once that cost is shared, and what is left is the call itself.
 */
export const driverCall: Figure = {
  name: "driver-call",
  async measure(context) {
    const count = context.quick ? 2_000 : 20_000;
    const description = loadHostDescription(join(context.root, "hosts", `${HOST}.yaml`));
    const host = createSimulatedHost(join(context.scratch("driver"), "sim"), { description, control: simulationOf() });
    const inC = spreadOf(await listInC(context, host.simulatorState, count)).p50;
    const handle = loadAddon().openSimulator(host.simulatorState, false);
    await timeEach(count / 4, () => handle.list());
    const alone = spreadOf(await timeEach(count, () => handle.list())).p50 * 1000;
    const together = await listTogether(handle, count);
    await handle.close();
    const { length } = description.units;
    return [
      {
        what: `LIST of ${length} units, addon against C`,
        measured: `${times(alone / inC)} (${microseconds(alone)} against ${microseconds(inC)})`,
        aim: below(AIM_TIMES, alone / inC, times),
      },
      { what: `  ${AT_ONCE} under way at once`, measured: `${times(together / inC)} (${microseconds(together)} each)`, aim: null },
    ];
  },
};

/** Microseconds for each of `count`, when there are always some waiting. */
async function listTogether(handle: NativeHandle, count: number): Promise<number> {
  const beganMs = nowMs();
  for (let i = 0; i < count; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => handle.list()));
  return ((nowMs() - beganMs) * 1000) / (Math.ceil(count / AT_ONCE) * AT_ONCE);
}

/** Microseconds of each call, without the first quarter. */
async function listInC(context: BenchContext, stateDir: string, count: number): Promise<readonly number[]> {
  const build = context.scratch("list");
  const program = join(build, "list");
  await run("make", ["-s", "-C", join(context.root, "native"), "-f", join(context.root, "bench", "native", "list.mk"), `BUILD=${build}`, program]);
  const { stdout } = await run(program, [stateDir, String(count)], { maxBuffer: 64 * 1024 * 1024 });
  const all = stdout
    .trim()
    .split("\n")
    .map((line) => Number(line) / 1000);
  return all.slice(count / 4);
}
