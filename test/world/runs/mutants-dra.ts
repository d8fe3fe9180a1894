// SPDX-License-Identifier: Apache-2.0

/** The agent with one rule of DRA taken out (ARCHITECTURE 43 to 47), for each rule that a scenario shows. */
import type { Mutant } from "./mutant.ts";

const POOLS = "domain/dra/pools.ts";
const TAINTS = "domain/dra/link-taints.ts";
const MEMORY_OF_TAINTS = "domain/dra/link-taint-memory.ts";
const GATE_OF_LINKS = "domain/gate/link-rules.ts";
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
  without("a withheld device that is listed without a taint", POOLS, ["if (isDras && offered) return failed", "if (isDras) return failed"]),
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
  without("a device whose link failed that is offered five minutes later", MEMORY_OF_TAINTS, [
    'intent?.link.enable === "OnPrepare" ? standingOf',
    'intent?.link.enable === "Never" ? standingOf',
  ]),
  without("a free device whose link failed that leaves its slice", POOLS, [
    "!areTaintsDropped && isOpenButForLink(verdict)",
    "isClaimed && isOpenButForLink(verdict)",
  ]),
  without("a taint that never stays longer", TAINTS, ["count: (known?.count ?? 0) + 1", "count: 1"]),
  without("a taint that each failure makes longer", TAINTS, [
    "if (known !== undefined && isStanding(known, nowMs)) return",
    "if (known === null) return",
  ]),
  without("taints that are not adopted after a restart", MEMORY_OF_TAINTS, [
    "isAdopted ? linkTaints.known : adopted",
    "isAdopted || linkTaints.proven.size >= 0 ? linkTaints.known : adopted",
  ]),
  without("a taint that begins anew with the agent", MEMORY_OF_TAINTS, [
    "Math.min(Date.parse(timeAdded) || nowMs, nowMs,",
    "Math.min(Date.parse(timeAdded) && nowMs, nowMs,",
  ]),
  without("a taint of the boot before that is adopted", MEMORY_OF_TAINTS, ["epoch === undefined ? [] : taints", "epoch === address ? [] : taints"]),
  without("slices that are written before they were seen", "agent/dra.ts", ["if (news.memory.linkTaints.found === null) return;", ""]),
  without("a link that is tried for a new claim although it is tainted", "domain/gate/rule-sets.ts", [
    "[...SECURE_RULES, LINK_TAINTED]",
    "[...SECURE_RULES]",
  ]),
  without("a claim that is not told of the taint of its device", GATE_OF_LINKS, [
    "return isItsOwn ? null :",
    'return isItsOwn || purpose === "Prepare" ? null :',
  ]),
  without("a repair that the taint of the slot keeps from who has it", GATE_OF_LINKS, [
    'purpose === "Prepare" ? isOfAsking(facts) : isGiven(hold)',
    "false",
  ]),
  without("a failure that outlives the taint which is lifted", MEMORY_OF_TAINTS, [
    "slots.has(owner) && !isLifted(owner)",
    "slots.has(owner) || !isLifted(owner)",
  ]),
  without("a taint that another TSM does not lift", TAINTS, ["const isChanged = isOther(under.tsms, now.tsms) ||", "const isChanged ="]),
  without("an end of a taint that wakes nobody", "agent/run-pass.ts", ["checkpointMs, taintMs].filter", "checkpointMs].filter"]),
];
