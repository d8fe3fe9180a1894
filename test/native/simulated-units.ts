// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ECAP_TDX_CONNECT, type RegBase, regBaseFromNumber } from "../../src/domain/unit.ts";
import { GSTS_HEALTHY, type SimulatedUnit } from "../../src/stand-in/module/simulation.ts";

const FIRST = 0xfed90000n;

/** The n-th of the test host's units. */
export function regBaseAt(n: number): RegBase {
  return regBaseFromNumber(FIRST + BigInt(n) * 0x1000n);
}

/** A healthy unit that can be put into TDX mode; nodes alternate. */
export function simulatedUnit(n: number, changes: Partial<SimulatedUnit> = {}): SimulatedUnit {
  return { regBase: regBaseAt(n), segment: 0, numaNode: n % 2, cap: 6n, ecap: ECAP_TDX_CONNECT, gsts: GSTS_HEALTHY, foreign: false, ...changes };
}

export function simulatedUnits(count: number): SimulatedUnit[] {
  return Array.from({ length: count }, (_, n) => simulatedUnit(n));
}

export interface StateDirectory {
  readonly dir: string;
  readonly remove: () => void;
}

/** A state directory of its own, and the way to remove it. */
export function stateDirectory(): StateDirectory {
  const dir = mkdtempSync(join(tmpdir(), "tdx-simulator-"));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
