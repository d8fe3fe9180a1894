// SPDX-License-Identifier: Apache-2.0

/** The simulated host that a sub-command of `simulate` works on. */
import { resolve } from "node:path";
import { Option } from "commander";
import type { SimulatedHost } from "../../stand-in/host/simulated-host.ts";
import type { Context } from "../context.ts";

export interface Rooted {
  readonly root: string;
}

export function rootOption(): Option {
  return new Option("--root <dir>", "folder of the simulated host").makeOptionMandatory();
}

/** The engine is loaded only now. */
export async function open(context: Context, flags: Rooted): Promise<SimulatedHost> {
  const [{ openSimulatedHost }, { simulationOf }] = await Promise.all([
    import("../../stand-in/host/create.ts"),
    import("../../stand-in/module/simulation.ts"),
  ]);
  return openSimulatedHost(resolve(context.workingFolder, flags.root), { control: simulationOf() });
}
