// SPDX-License-Identifier: Apache-2.0

/**
 * The agent with one rule taken out, for each rule: what the invariants must notice. A mutant is an edit of the source; `find` occurs exactly once,
 * so that a rule that is written anew must be taken out anew here.
 */
import { GATE_RULES } from "../../domain/gate.ts";
import { SETUP_RULES } from "../../domain/plan.ts";

export interface Mutant {
  readonly name: string;
  /** Below src/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const GATE = "domain/gate.ts";
const PLAN = "domain/plan.ts";
const USE = "domain/use.ts";
const MEMORY = "domain/memory.ts";
const OFFER = "domain/offer.ts";
const PERFORM = "agent/perform.ts";
const HANDLERS = "agent/handlers.ts";
const AGENT = "agent/agent.ts";

const without = (name: string, file: string, edit: readonly [find: string, replace: string]): Mutant => ({
  name,
  file,
  find: edit[0],
  replace: edit[1],
});

const gateRules = GATE_RULES.map(({ reason }) =>
  without(`the gate without ${reason}`, GATE, [
    "results.find((result) => !result.passed)",
    `results.find((result) => !result.passed && result.reason !== "${reason}")`,
  ]),
);

const setupRules = SETUP_RULES.map(({ reason }) =>
  without(`SETUP without ${reason}`, PLAN, [
    "  for (const rule of SETUP_RULES) {",
    `  for (const rule of SETUP_RULES) { if (rule.reason === "${reason}") continue;`,
  ]),
);

/** What a CLEAR looks at, one kind of use at a time. */
const uses = ["Pod", "Bound", "Holder", "Link", "Answer", "CallInFlight", "Unreadable"].map((kind) =>
  without(`CLEAR without use ${kind}`, PLAN, [
    "  if (uses.length > 0) return",
    `  if (uses.filter((use) => use.kind !== "${kind}").length > 0) return`,
  ]),
);

export const MUTANTS: readonly Mutant[] = [
  ...gateRules,
  ...setupRules,
  ...uses,
  without("CLEAR without podresources", USE, [
    "uses.push(...podResourcesUses(inputs, isBelow), ...podUses(inputs));",
    "uses.push(...podUses(inputs));",
  ]),
  without("CLEAR without the API's pods", USE, [
    "uses.push(...podResourcesUses(inputs, isBelow), ...podUses(inputs));",
    "uses.push(...podResourcesUses(inputs, isBelow));",
  ]),
  without("CLEAR without terminating pods", USE, [
    'return pod.phase !== "Succeeded" && pod.phase !== "Failed";',
    'return pod.phase !== "Succeeded" && pod.phase !== "Failed" && !pod.terminating;',
  ]),
  without("CLEAR without kubelet's allocatable", PLAN, ["  if (listed.length > 0)\n", "  if (listed.length > 999)\n"]),
  without("CLEAR without the settling time", PLAN, ["  if (nowMs < readyAtMs) return", "  if (nowMs < 0) return"]),
  without("CLEAR without settling from the first free view", PLAN, [
    "Math.max(memory.freeSince.get(regBase) ?? nowMs, memory.startedMs, kubeletSinceMs)",
    "Math.max(memory.startedMs, kubeletSinceMs)",
  ]),
  without("CLEAR without settling from the first sight of kubelet", PLAN, ["memory.startedMs, kubeletSinceMs)", "memory.startedMs)"]),
  without("CLEAR with a guessed id", PLAN, [
    'const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq };',
    'const step: Step = { kind: "Clear", regBase, tdxIommuId: tdxIommuId + 1n, setupSeq };',
  ]),
  without("CLEAR with an older SETUP's number", PLAN, [
    'const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq };',
    'const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq: setupSeq - 1n };',
  ]),
  without("CLEAR of what is to be trusted", PLAN, [
    'return intent.state === "Trusted" ? planTrusted(facts) : planCleared(facts);',
    "return fact.epoch === null ? planTrusted(facts) : planCleared(facts);",
  ]),
  without("CLEAR without a fresh view", PERFORM, [
    "  const ground = await parts.observeNow();\n",
    "  const ground = parts.state.pass?.ground ?? (await parts.observeNow());\n",
  ]),
  without("CLEAR without the unit's lock", PERFORM, [
    "await parts.locks.exclusive(step.regBase, () => clear(parts, step));",
    "await clear(parts, step);",
  ]),
  without("no CLEAR at all", PLAN, [
    'return repeatable(facts, "TDH.IOMMU.CLEAR"',
    'return because("ClearPending") ?? repeatable(facts, "TDH.IOMMU.CLEAR"',
  ]),
  without("SETUP of units that nobody selected", PLAN, [
    '    if (intent === null || !selected) return because("NotSelected");',
    '    if (intent === null) return because("NotSelected");',
  ]),
  without("SETUP of what is somebody else's", PLAN, ['  Foreign: () => because("ForeignOwner"),\n', ""]),
  without("SETUP of a trusted unit", PLAN, ["  if (epoch !== null) return", '  if (epoch === "") return']),
  without("SETUP again after it failed for good", PLAN, [
    'if (!goesOn && (action === "failed" || action === "unsupported"))',
    'if (!goesOn && action === "unsupported")',
  ]),
  without("SETUP repeated at once", PLAN, ["  const due = facts.ground.view.nowMs >= dueMs;", "  const due = facts.ground.view.nowMs >= 0;"]),
  without("SETUP never repeated", PLAN, ["  const due = facts.ground.view.nowMs >= dueMs;", "  const due = false;"]),
  without("SETUP without a fresh view", PERFORM, [
    "  const ground = await refreshNode(parts);",
    "  const ground = parts.state.pass?.ground ?? null;",
  ]),
  without("links not read again after SETUP", PERFORM, ["step.regBase, suspects);", "step.regBase, []);"]),
  without("devices offered before their links are read again", PERFORM, [
    "  parts.state.memory = noteSetup(parts.state.memory, step.regBase);\n",
    "",
  ]),
  without("a stranded id left lying", MEMORY, ['(entry.state === "Failed" || entry.state === "Unknown")', 'entry.state === "Foreign"']),
  without("trust of another instance", "domain/ground.ts", ['info.environment === "Ok" && info.instance === table.instance', 'info.instance !== ""']),
  without("trust without an id's state", "domain/ground.ts", [
    'entry.state === "Trusted" && entry.tdxIommuId !== null',
    'entry.state !== "Untrusted"',
  ]),
  without("epochs that are all the same", "domain/ground.ts", ["`${table.instance}/0x${entry.setupSeq.toString(16)}`", '"the same"']),
  without("holds that nobody remembers", MEMORY, [
    "    holds.set(address, { epoch: known ? known.epoch : prior, resource",
    '    if (address === "") holds.set(address, { epoch: known ? known.epoch : prior, resource',
  ]),
  without("holds proven by nothing", MEMORY, [
    "epoch: known ? known.epoch : prior,",
    "epoch: known ? known.epoch : [...ground.units.values()].map((fact) => fact.epoch).find((epoch) => epoch !== null) ?? prior,",
  ]),
  without("holds that end at the first free view", MEMORY, [
    "view.nowMs - freeSinceMs >= memory.settleMs) holds.delete(address)",
    "view.nowMs - freeSinceMs >= 0) holds.delete(address)",
  ]),
  without("holds that end with a young kubelet", MEMORY, [
    'return podResources.kind === "None" || nowMs - podResources.kubeletSinceMs >= memory.settleMs;',
    "return true;",
  ]),
  without("holds that end in the dark", MEMORY, [
    "const isShown = believed && !isHiddenOnHost(ground.functions.get(address));",
    "const isShown = believed;",
  ]),
  without("names forgotten at a restart", USE, [
    "  const domains = new Set([...resources].map(domainOf));",
    "  const domains = new Set([...resources].filter(() => false).map(domainOf));",
  ]),
  without("every plugin's devices", "domain/device.ts", [
    "  return /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$/.test(id);",
    '  return id !== "";',
  ]),
  without("a device in every list", OFFER, ["if (verdict.offered && verdict.resource?.name === resource)", "if (verdict.offered)"]),
  without("another ledger's devices", OFFER, ['.filter((rule) => rule.ledger === "DevicePlugin")', '.filter((rule) => rule.name !== "")']),
  without("withheld devices in the list", OFFER, [
    "if (verdict.offered && verdict.resource?.name === resource)",
    "if (verdict.resource?.name === resource)",
  ]),
  without("Allocate that asks nobody", HANDLERS, ["      if (!verdict.offered) throw", '      if (!verdict.offered && address === "") throw']),
  without("Allocate under any name", HANDLERS, ["      if (verdict.resource?.name !== resource)\n", '      if (resource === "")\n']),
  without("Allocate by the last pass's intent", HANDLERS, [
    "  return ports.intent.current()?.intent ?? null;",
    "  return state?.pass?.intent ?? null;",
  ]),
  without("Allocate without the unit's lock", HANDLERS, [
    "    return parts.locks.shared(regBase, async () => {",
    "    return parts.locks.shared(`${regBase} `, async () => {",
  ]),
  without("PreStart that knows nothing of the hold", HANDLERS, ["    if (!state.memory.holds.has(address)) throw", '    if (address === "") throw']),
  without("PreStart that asks nobody", HANDLERS, ["admit(resource, id, refuseUnproven)", "Promise.resolve(id)"]),
  without("answers that nobody remembers", HANDLERS, ["    state.memory = noteAnswer(state.memory, noted);\n", ""]),
  without("lists before specs", AGENT, ["        await ports.cdi?.sync(cdiResources([...offer, ...published], ground, simulated));\n", ""]),
  without("no status", AGENT, ["    await ports.status.write(status);\n", ""]),
  without("no early withdrawal", AGENT, [
    "    if (state.pass) await publisher.withdraw(withdrawals(state.pass, reading, intent, state.memory));\n",
    "",
  ]),
  without("no wake-up by the binding", AGENT, [
    "driver: options.driver, onChange: wake });",
    "driver: options.driver, onChange: () => undefined });",
  ]),
  without("no wake-up by the host", AGENT, ["        ports.host.onChange(wake),\n", ""]),
  without("no look without a wake-up", AGENT, ["everyMs: options.observeEveryMs,", "everyMs: null,"]),
  without("an offer without an intent", AGENT, ["    if (ports.intent.current() === null) return undefined;\n", ""]),
];
