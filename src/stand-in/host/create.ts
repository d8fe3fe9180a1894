// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { GSTS_HEALTHY, type SimulatedUnit } from "../module/simulation.ts";
import type { SimulatorControl } from "./control.ts";
import type { HostDescription, UnitDescription } from "./host-description.ts";
import { type DeviceNodes, type HostState, initialState } from "./host-state.ts";
import { renderHost } from "./render.ts";
import { hostInState } from "./render-function.ts";
import { type SimulatedHost, simulatedHost } from "./simulated-host.ts";
import { claimDirectory, loadDescription, type Store, saveDescription, saveState, storeAt } from "./store.ts";
import { makeTree } from "./tree.ts";

/** What the operations on a simulated host need besides its directory. */
export interface SimulationTools {
  readonly control: SimulatorControl;
  /** Default: a random UUID. */
  readonly newBootId?: () => string;
}

/** What a simulated host is made from. */
export interface CreateOptions extends SimulationTools {
  readonly description: HostDescription;
  /** Default `Files`. */
  readonly deviceNodes?: DeviceNodes;
}

/**
 * Makes `directory` a simulated host: `host/` shaped like the root of a file system, `tdx/` with the TDX module's state. Repeatable: a simulated
 * host that is there already is made anew. @throws SIMULATION_INVALID when the directory holds anything else.
 */
export function createSimulatedHost(directory: string, options: CreateOptions): SimulatedHost {
  const { description, control, deviceNodes = "Files", newBootId = randomUUID } = options;
  const store = storeAt(directory);
  claimDirectory(store);
  const state = initialState(description, { bootId: newBootId(), deviceNodes });
  const aside = join(store.scratch, "host");
  makeTree(aside, renderHost(hostInState(description, state)), deviceNodes);
  createModule(store, { description, state, control });
  saveState(store, state);
  renameSync(aside, store.hostRoot);
  saveDescription(store, description);
  return simulatedHost({ store, description, control, newBootId });
}

/** Opens one that was created before. @throws SIMULATION_INVALID when the directory is none. */
export function openSimulatedHost(directory: string, tools: SimulationTools): SimulatedHost {
  const store = storeAt(directory);
  return simulatedHost({ store, description: loadDescription(store), control: tools.control, newBootId: tools.newBootId ?? randomUUID });
}

function createModule(store: Store, given: { description: HostDescription; state: HostState; control: SimulatorControl }): void {
  const { description, state, control } = given;
  control.create(store.simulatorState, { ...description.module, units: description.units.map(simulatedUnit) });
  for (const address of state.streaming) {
    const one = description.functions.find((candidate) => candidate.address === address);
    const unit = description.units.find((candidate) => candidate.name === one?.unit);
    if (unit !== undefined) control.setLink(store.simulatorState, { regBase: unit.regBase, address }, true);
  }
}

function simulatedUnit(unit: UnitDescription): SimulatedUnit {
  return {
    regBase: unit.regBase,
    segment: unit.segment,
    numaNode: unit.numaNode,
    cap: BigInt(`0x${unit.cap}`),
    ecap: BigInt(`0x${unit.ecap}`),
    gsts: GSTS_HEALTHY,
    foreign: false,
  };
}
