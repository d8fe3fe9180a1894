// SPDX-License-Identifier: Apache-2.0
// The simulated TDX module's own table, as `simulate show` prints it: the truth that no driver and no agent sees.
import { z } from "zod";
import { NODES, type NodeName, type Stage } from "./stage.ts";

const hex = z.string().transform((text) => BigInt(text));

const TABLE = z.object({
  corruptedPage: hex.nullable(),
  freedTooEarly: z.array(hex),
  units: z.array(z.object({ regBase: z.string(), phase: z.string(), tdxIommuId: hex.nullable(), setupCalls: hex, clearCalls: hex })),
});

export type ModuleTable = z.output<typeof TABLE>;
export type ModuleUnit = ModuleTable["units"][number];

export async function readModule(stage: Stage, node: NodeName): Promise<ModuleTable> {
  return TABLE.parse(JSON.parse(await stage.simulate(node, "show", "--output", "json")));
}

/** @throws when the module knows no such unit */
export function moduleUnit(table: ModuleTable, regBase: string): ModuleUnit {
  const found = table.units.find((unit) => unit.regBase === regBase);
  if (found === undefined) throw new Error(`no unit ${regBase} in the module's table`);
  return found;
}

/** Ids by register base, of units that have one: hex, as the status writes them. */
export function idsOf(table: ModuleTable): Record<string, string> {
  return Object.fromEntries(
    table.units.flatMap(({ regBase, tdxIommuId }) => (tdxIommuId === null ? [] : [[regBase, `0x${tdxIommuId.toString(16)}`]])),
  );
}

/** Calls of one leaf, over all units. */
export function callsOf(table: ModuleTable, leaf: "setupCalls" | "clearCalls"): bigint {
  return table.units.reduce((sum, unit) => sum + unit[leaf], 0n);
}

/** What a driver that broke the page protocol would have left, on any node. Empty when all is well. */
export async function brokenPages(stage: Stage): Promise<readonly string[]> {
  const tables = await Promise.all(NODES.map((node) => readModule(stage, node)));
  return tables.flatMap(({ corruptedPage, freedTooEarly }) => [corruptedPage, ...freedTooEarly].filter((page) => page !== null).map(String));
}
