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

const CONDITIONS = "domain/dra/conditions.ts";
const STREAMS = "domain/dra/stream-counter.ts";
const USES = "domain/dra/uses.ts";
const DRA_HOLDS = "domain/dra/holds.ts";

type Change = readonly [find: string, replace: string];

const without = (name: string, file: string, ...changes: readonly Change[]): Mutant => ({
  name: `DRA: ${name}`,
  edits: changes.map(([find, replace]) => ({ file, find, replace })),
});

export const DRA_MUTANTS: readonly Mutant[] = [
  without("a name that has gone over and that kubelet goes on asking the device plugin about", "domain/offer.ts", [
    "isQuiet: true",
    "isQuiet: false",
  ]),
  without("a name that stays registered after kubelet's restart", "domain/quiet-names.ts", [
    "after.delete(resource)",
    "after.set(resource, kubelet)",
  ]),
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
    'byKubelet.get(address) ?? (heldText(rule, heldNames) || (inSlices(address) === "" ? unread : ""))',
    'byKubelet.get(address) ?? (inSlices(address) === "" ? unread : "")',
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
  without("a failure that is said before the taint is there", CONDITIONS, [
    'isFailed(verdict) && isTainted(addressOf(device) ?? "")',
    "isFailed(verdict)",
  ]),
  without("a failure that is said of the device that failed alone", CONDITIONS, [
    "{ failed: failed?.verdict ?? null, nowIso: inputs.nowIso }",
    "{ failed: failed?.device === device ? failed.verdict : null, nowIso: inputs.nowIso }",
  ]),
  without(
    "a condition that is taken back",
    CONDITIONS,
    ['if (waiting.every((device) => stateOf(device, LINK_SECURED) === "True")) return null;', ""],
    ['if (stateOf(device, LINK_SECURED) === "True" || verdict?.offered === true)', "if (verdict?.offered === true)"],
  ),
  without("a pod that is bound before its link is secured", POOLS, [
    'bindsWhenSecured: intent?.link.enable === "OnPrepare"',
    "bindsWhenSecured: false",
  ]),
  without("a link that is released when a claim is reserved for nobody", USES, [
    "return isNamed ? [",
    "return isNamed && claim.reservedFor.length > 0 ? [",
  ]),
  without("a link for a claim that is reserved for nobody", DRA_HOLDS, ["reservedFor.length > 0", "reservedFor.length >= 0"]),
  without("a claim that is read from the watch", CLAIMS, [
    "await dra.claims.get(ref)",
    '((read) => (read?.kind === "Read" ? (read.value.find(({ uid }) => uid === ref.uid) ?? null) : null))(dra.claims.current())',
  ]),
  without("a claim that is refused while somebody gives its device back", CLAIMS, ["waitedFor: WAITED_FOR_BY_CLAIM, ", ""]),
  without("admin access", CLAIMS, ["if (device.adminAccess)", 'if (device.request === "")']),
  without("a claim file of the boot before that counts", DRA_HOLDS, ["bootId === null || file.bootId === bootId", "file.bootId !== null"]),
  without("claim files of an earlier process that hold nothing", "domain/holds.ts", [
    "of holdsOfFiles(ground.view))",
    "of holdsOfFiles({ ...ground.view, dra: null }))",
  ]),
  without("an Unprepare that lets go of what a VM has open", "domain/notes.ts", [
    "const holds = [...memory.holds].map(([address, hold]): [string, Hold] => [address, hold.claim === claim ? { ...hold, claim: null } : hold]);",
    "const holds = [...memory.holds].filter(([, hold]) => hold.claim !== claim);",
  ]),
  without("a counter below what is allocated", STREAMS, ["Math.max(value, consumed, 0)", "Math.max(value, 0)"]),
  without("a stream for each function of a slot", STREAMS, [
    "taken.set(address, first === undefined || first === address ? 1 : 0)",
    "taken.set(address, first === undefined || first === address ? 1 : 1)",
  ]),
  without("a device plugin that lists what a slice lists", OTHER_LEDGER, [
    'return (address) => pools.get(address) ?? "";',
    'return (address) => (pools.has(address) ? "" : "");',
  ]),
  without("slices that stay when the agent is told to stop", "agent/dra.ts", ["      dra.slices.publish([]);\n", ""]),
  without("a slot that another function manages is connected again and again", "domain/links/work.ts", [
    'return dsm === "" || dsm === owner ? "" : ',
    'return dsm !== "-" ? "" : ',
  ]),
  without("a name that goes over while nobody can tell what kubelet lists", OTHER_LEDGER, ["&& served.size > 0", "&& served.size < 0"]),
];
