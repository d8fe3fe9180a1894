// SPDX-License-Identifier: Apache-2.0

/** The agent with one rule of DRA taken out (ARCHITECTURE 43 to 47), for each rule that a scenario shows. */
import type { Mutant } from "./mutant.ts";

const POOLS = "domain/dra/pools.ts";
const CLAIMS = "agent/claims.ts";
const KEEPER = "agent/claim-keeper.ts";
const OTHER_LEDGER = "domain/dra/other-ledger.ts";

const without = (name: string, file: string, [find, replace]: readonly [find: string, replace: string]): Mutant => ({
  name: `DRA: ${name}`,
  edits: [{ file, find, replace }],
});

export const DRA_MUTANTS: readonly Mutant[] = [
  without("an allocated device that leaves its slice", POOLS, [
    "if (!isClaimed && (!isHeld || areTaintsDropped)) return null;",
    "if (isClaimed || !isHeld) return null;",
  ]),
  without("a withheld device that is listed without a taint", POOLS, ["if (isDras && offered) return [];", "if (isDras) return [];"]),
  without("a device listed in a slice although its gate is closed", POOLS, [
    "if (!isClaimed && (!isHeld || areTaintsDropped)) return null;",
    "if (!isClaimed && !isHeld && !isDras) return null;",
  ]),
  without("parameters of a claim that nobody reads", CLAIMS, ["if (parameter !== undefined) throw", 'if (parameter === "") throw']),
  without("a claim that is answered before it is written down", CLAIMS, [
    "      await parts.files.write(fileOf(claim, judged));\n",
    "      void parts.files.write(fileOf(claim, judged));\n",
  ]),
  without("a claim file that resolves after the loss of trust", KEEPER, [
    "return verdict.offered && verdict.epoch === epoch",
    "return verdict.epoch !== undefined && epoch !== undefined",
  ]),
  without("a name that goes over while the device plugin's pod has it", OTHER_LEDGER, [
    "(byKubelet.get(address) ?? heldText(rule, heldNames))",
    "byKubelet.get(address)",
  ]),
];
