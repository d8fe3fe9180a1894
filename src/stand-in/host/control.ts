// SPDX-License-Identifier: Apache-2.0
import type { Simulation } from "../module/simulation.ts";

/** What a simulated host needs of the TDX module's simulator: its control over a state directory. `simulationOf()` is the real one. */
export type SimulatorControl = Simulation;
