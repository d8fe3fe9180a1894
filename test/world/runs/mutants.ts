// SPDX-License-Identifier: Apache-2.0

/**
 * The agent with one rule taken out, for each rule: what the invariants must notice. A mutant is an edit of the source; `find` occurs exactly once,
 * so that a rule that is written anew must be taken out anew here.
 */
import { GATE_RULES } from "../../../src/domain/gate/rules.ts";
import { SETUP_RULES } from "../../../src/domain/plan/setup.ts";
import type { Edit } from "./edits.ts";
import type { Mutant } from "./mutant.ts";
import { DRA_MUTANTS } from "./mutants-dra.ts";

const GATE = "domain/gate/gate.ts";
const LINK_READING = "domain/link-reading.ts";
const GATE_RULE = "domain/gate/rules.ts";
const PLAN = "domain/plan/plan.ts";
const PLAN_SETUP = "domain/plan/setup.ts";
const SETTLING = "domain/kubelet-settling.ts";
const PLAN_CLEAR = "domain/plan/clear.ts";
const PLAN_REPEAT = "domain/plan/repeat.ts";
const USE = "domain/use.ts";
const IN_PODS = "domain/in-pods.ts";
const ACCOUNTING = "domain/accounting.ts";
const MEMORY = "domain/memory.ts";
const CLEARANCE = "domain/clearance.ts";
const OBSERVE = "agent/observe.ts";
const HOLDS = "domain/holds.ts";
const OFFER = "domain/offer.ts";
const PERFORM = "agent/perform.ts";
const HANDLERS = "agent/handlers.ts";
const ADMISSION = "agent/admission.ts";
const AGENT = "agent/agent.ts";
const PAST = "seamcall/tdx-host/past.ts";
const SPEC_KEEPER = "agent/spec-keeper.ts";
const RUN_PASS = "agent/run-pass.ts";
const LOOK = "agent/look.ts";
const WAKES = "agent/wakes.ts";
const STATE = "agent/state.ts";
const LINKS_PLAN = "domain/plan/links.ts";
const LINKS_STREAMS = "domain/links/streams.ts";
const LINKS_USE = "domain/links/use.ts";
const LINKS_WORK = "domain/links/work.ts";
const LINK_STEPS = "agent/link-steps.ts";
const BINDS_PLAN = "domain/plan/binds.ts";
const BIND_STEPS = "agent/bind-steps.ts";
const WANTED_HOLDERS = "domain/wanted-holders.ts";
const AUDIT_WRITER = "agent/audit-writer.ts";
const AUDIT_UNITS = "domain/audit/units.ts";
const AUDIT_LINKS = "domain/audit/links.ts";
const AUDIT_WALK_UNITS = "domain/audit/walk-units.ts";
const AUDIT_WALK_LINKS = "domain/audit/walk-links.ts";

type Change = readonly [find: string, replace: string];

const edit = (file: string, [find, replace]: Change): Edit => ({ file, find, replace });
const without = (name: string, file: string, change: Change): Mutant => ({ name, edits: [edit(file, change)] });

const gateRules = GATE_RULES.map(({ reason }) =>
  without(`the gate without ${reason}`, GATE, [
    "rules.find((rule) => !rule.passes(facts))",
    `rules.find((rule) => rule.reason !== "${reason}" && !rule.passes(facts))`,
  ]),
);

const setupRules = SETUP_RULES.map(({ reason }) =>
  without(`SETUP without ${reason}`, PLAN_SETUP, [
    "  for (const rule of SETUP_RULES) {",
    `  for (const rule of SETUP_RULES) { if (rule.reason === "${reason}") continue;`,
  ]),
);

const search = [
  without("a node on which holders are not looked for before a CLEAR", WANTED_HOLDERS, ["  if (mayClear(interest)) return () => true;\n", ""]),
  without("CLEAR on what a search found a second ago", AGENT, ['observeNow: () => looks.look("Fresh")', 'observeNow: () => looks.look("Recent")']),
];

/** What a CLEAR looks at, one kind of use at a time. */
const uses = ["Pod", "Bound", "Holder", "Link", "Answer", "CallInFlight", "Unreadable"].map((kind) =>
  without(`CLEAR without use ${kind}`, USE, [
    "  return uses;\n}\n\nconst unreadable",
    `  return uses.filter((use) => use.kind !== "${kind}");\n}\n\nconst unreadable`,
  ]),
);

const CLEAR_STEP = 'const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq };';
const LISTED = "listed: [...new Set([...listed, ...kubelets, ...specs, ...slices])].filter(";
const PASS = "agent/pass.ts";
const STAYS = "devices: devices.filter((device) => !device.healthy || stays(device.id, resource))";
const EVERY_LIST = "if (verdict.offered && verdict.resource?.name === resource)";

/** The audit log: nothing of it keeps a device back, so that only its own checks notice. */
const audit: readonly Mutant[] = [
  without("an Allocate that is answered before its line is written", HANDLERS, ["await parts.audit.written();", "void parts.audit.written();"]),
  without("an Allocate without a line", HANDLERS, ['parts.audit.did({ kind: "Allocate", answer });', ""]),
  without("an audit log that goes on after a refusal as if nothing had been", AUDIT_WRITER, ["const told = gaps;", "const told = gaps.slice(0, 0);"]),
  without("an audit log without lost units", AUDIT_UNITS, ["return isTrusted ? [auditEvent(", "return isTrusted && epoch === null ? [auditEvent("]),
  without("an audit log without links that somebody released", AUDIT_LINKS, [
    'return auditEvent("LinkReleased", write === "Disconnect" ? "agent" : "other", about);',
    'return auditEvent("LinkReleased", "agent", about);',
  ]),
  without("a judge who lets a release by somebody else pass", AUDIT_WALK_LINKS, ["if (by && !isOurs) spanOf", "if (by && !isOurs && false) spanOf"]),
  without("a judge who lets a lost unit pass", AUDIT_WALK_UNITS, ["if (why && isLost) spanOf(state).lostUnder(why);", "if (isLost) void why;"]),
  without("a judge who takes what was before a restart for what is", AUDIT_WALK_UNITS, [
    "held.clear(); state.link = LINK_OFF; span?.left();",
    "held.clear(); span?.left();",
  ]),
];

const clear: readonly Mutant[] = [
  without("CLEAR without podresources", USE, ["  uses.push(...podResourcesUses(inputs, isIn));\n", ""]),
  without("CLEAR without the API's pods", USE, [") uses.push(...unplacedPods(inputs));", ") uses.push();"]),
  without("CLEAR without terminating pods", ACCOUNTING, ["if (isOver(pod)) return false;", "if (isOver(pod) || pod.terminating) return false;"]),
  without("CLEAR without the names of before a restart", ACCOUNTING, [
    ".filter((resource) => domains.has(domainOf(resource))));",
    ".filter((resource) => new Set(resources).has(resource)));",
  ]),
  without("CLEAR without kubelet's checkpoint", ACCOUNTING, ["return agreement(pods, podResources);", 'return { kind: "Accounted" };']),
  // Not here: an agent that does not make kubelet write its checkpoint. In this world a list changes whenever a pod ends; list-and-watch.test.ts and a
  // real kubelet (e2e/cluster/standalone.test.ts) have it.
  without("CLEAR without pods that kubelet's checkpoint has forgotten", ACCOUNTING, [
    'return forgotten.length === 0 ? { kind: "Accounted" } :',
    'return forgotten.length < 99 ? { kind: "Accounted" } :',
  ]),
  without("CLEAR without pods that only an earlier process saw in kubelet's checkpoint", MEMORY, [
    "lastUnits, loads, podUids };\n}",
    "lastUnits, loads, podUids: new Set() };\n}",
  ]),
  without("kubelet's checkpoint read only when a decision hangs on it", OBSERVE, ["if (!ports.pods.isLocal && !wantsPods(", "if (!wantsPods("]),
  without("CLEAR without kubelet's allocatable", CLEARANCE, [
    LISTED,
    "listed: [...new Set([...listed, ...kubelets.slice(0, 0), ...specs, ...slices])].filter(",
  ]),
  without("CLEAR without withdrawal", CLEARANCE, [
    LISTED,
    "listed: [...ours.slice(0, 0), ...kubelets.slice(0, 0), ...specs.slice(0, 0), ...slices].filter(",
  ]),
  without("CLEAR without the settling time", PLAN_CLEAR, ["  if (nowMs < readyAtMs) return", "  if (nowMs < 0) return"]),
  without("CLEAR without settling from the first free view", PLAN_CLEAR, [
    "settledAtMs(memory, ground.view.podResources, memory.freeSince.get(regBase) ?? nowMs)",
    "settledAtMs(memory, ground.view.podResources, memory.startedMs)",
  ]),
  without("settling that does not count from the first sight of kubelet", SETTLING, [
    'return podResources.kind === "Read" ? Math.max(',
    'return podResources.kind === "None" ? Math.max(',
  ]),
  without("CLEAR with a guessed id", PLAN_CLEAR, [
    CLEAR_STEP,
    'const step: Step = { kind: "Clear", regBase, tdxIommuId: tdxIommuId + 1n, setupSeq };',
  ]),
  without("CLEAR with an older SETUP's number", PLAN_CLEAR, [
    CLEAR_STEP,
    'const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq: setupSeq - 1n };',
  ]),
  without("CLEAR of what is to be trusted", PLAN, [
    'return intent.state === "Trusted" ? planTrusted(facts)',
    "return fact.epoch === null ? planTrusted(facts)",
  ]),
  without("CLEAR without a fresh view", PERFORM, [
    "  const ground = await parts.observeNow();\n",
    "  const ground = parts.state.pass?.ground ?? (await parts.observeNow());\n",
  ]),
  {
    name: "CLEAR while a CDI spec is still in place",
    edits: [
      edit(CLEARANCE, [LISTED, "listed: [...new Set([...listed, ...kubelets, ...specs.slice(0, 0), ...slices])].filter("]),
      edit(CLEARANCE, ["[...specUses(memory.specs, isBelow),", "[...specUses(memory.specs, isBelow).slice(0, 0),"]),
    ],
  },
  without("CLEAR whose look is good for ever", PERFORM, ["driver.deadline(LOOK_IS_GOOD_MS)", "driver.deadline(1e9)"]),
  without("CLEAR whose look is good from its end on", PERFORM, [
    "  const notAfter = parts.driver.deadline(LOOK_IS_GOOD_MS);\n  const ground = await parts.observeNow();\n",
    "  const ground = await parts.observeNow();\n  const notAfter = parts.driver.deadline(LOOK_IS_GOOD_MS);\n",
  ]),
  without("CLEAR with a driver that is too old", PLAN_CLEAR, ["if (older !== null) return", 'if (older === "") return']),
  without("CLEAR behind another unit's call", PLAN_CLEAR, ["if (ahead !== null) return", 'if (ahead === "") return']),
  without("CLEAR without the unit's lock", PERFORM, [
    "await parts.locks.exclusive(step.regBase, () => clear(parts, step));",
    "await clear(parts, step);",
  ]),
  without("no CLEAR at all", PLAN_CLEAR, [
    '  return repeatable(facts, "TDH.IOMMU.CLEAR"',
    '  if (nowMs > 0) return because("ClearPending");\n  return repeatable(facts, "TDH.IOMMU.CLEAR"',
  ]),
  without("an id without trust left lying", CLEARANCE, ['(entry.state === "Failed" || entry.state === "Unknown")', 'entry.state === "Foreign"']),
];

const setup: readonly Mutant[] = [
  without("SETUP of units that nobody selected", PLAN, ["    if (intent === null || !selected) return", "    if (intent === null) return"]),
  without("SETUP of what is somebody else's", PLAN, ['  Foreign: () => because("ForeignOwner"),\n', ""]),
  without("SETUP of a trusted unit", PLAN_SETUP, ["  if (epoch !== null)\n    return", '  if (epoch === "")\n    return']),
  without("SETUP again after it failed for good", PLAN_REPEAT, ['(action === "failed" || action === "unsupported")', 'action === "unsupported"']),
  without("SETUP repeated at once", PLAN_REPEAT, ["  const due = facts.ground.view.nowMs >= dueMs;", "  const due = facts.ground.view.nowMs >= 0;"]),
  without("SETUP never repeated", PLAN_REPEAT, ["  const due = facts.ground.view.nowMs >= dueMs;", "  const due = facts.ground.view.nowMs < 0;"]),
  {
    name: "SETUP without a fresh view",
    edits: [
      edit(PERFORM, ["  const known = await refreshed(parts, null);", "  const known = parts.state.pass?.ground ?? null;"]),
      edit(PERFORM, ["  const ground = await refreshed(parts, host ?? (await parts.newest.readHost()));", "  const ground = known;"]),
    ],
  },
  without("SETUP on the host as the last pass read it", PERFORM, [
    "  const ground = await refreshed(parts, host ?? (await parts.newest.readHost()));",
    "  const ground = known;",
  ]),
  // Not here: devices that wait until their links are read again. A list rests on a table that was read before the host, and a link that is secure rests
  // on a reading insecure in the same epoch, so that this rule changes nothing but the reason while it lasts.
  without("links that are secure at first sight", MEMORY, [
    'if (slot.link.state !== "Insecure" || !ground.functions.has(slot.owner)) continue;',
    "if (!ground.functions.has(slot.owner)) continue;",
  ]),
  without("links checked by a look at other functions of the slot", MEMORY, [
    'if (slot.link.state !== "Insecure" || !ground.functions.has(slot.owner)) continue;',
    'if (slot.link.state !== "Insecure") continue;',
  ]),
  without("links checked in any epoch", GATE_RULE, ["memory.checkedLinks.has(linkKey(slot.owner, fact.epoch))", "memory.checkedLinks.size > 0"]),
];

const holds: readonly Mutant[] = [
  without("trust without the unit's state", "domain/ground.ts", [
    'entry.state === "Trusted" && (entry.tdxIommuId !== null || info.kernelOwned)',
    'entry.state !== "Untrusted"',
  ]),
  without("epochs that are all the same", "domain/ground.ts", ["entry.setupSeq.toString(16)", '"1"']),
  without("holds that nobody remembers", HOLDS, [
    "for (const holder of holders) holds.set",
    'for (const holder of holders) if (address === "") holds.set',
  ]),
  without("holds proven by nothing", GATE_RULE, [
    "hold.epoch === (fact?.epoch ?? null) && hold.epoch !== null",
    "hold.epoch === null || hold.epoch === fact?.epoch",
  ]),
  // Not here: proofs of another boot. Each names an epoch, which no other boot has; those that name none only withhold (proofs.test.ts).
  without("answers that the next process does not know", HANDLERS, ["    await parts.proofs.noteHold(answer.address, answer);\n", ""]),
  without("devices handed out although that cannot be written down", RUN_PASS, ["  state.noteProofProblem(problem);\n", ""]),
  without("holds of one pod taken for another's", HOLDS, ["known.resource === resource;", 'known.resource !== "";']),
  without("holds that end at the first free view", HOLDS, [
    "return unseenMs(memory.settleMs, view.podResources);",
    "return memory.settleMs - memory.settleMs;",
  ]),
  {
    name: "holds that end although podresources does not account for the API's pods",
    edits: [
      edit(HOLDS, ['believed && (account === "Accounted" || account === "NotAsked") && ', "believed && "]),
      edit(HOLDS, ['(account === "Accounted" ? view.nowMs : null)', "view.nowMs"]),
      edit(HOLDS, ['freeSinceMs !== null && account === "Accounted" && view', "freeSinceMs !== null && view"]),
    ],
  },
  without("holds that end before kubelet can show them", HOLDS, ["return unseenMs(memory.settleMs, view.podResources);", "return memory.settleMs;"]),
  without("answers that end before kubelet can show them", STATE, [
    "const answerMs = unseenMs(settleMs, view.podResources);",
    "const answerMs = settleMs;",
  ]),
  {
    name: "CLEAR too soon after an answer",
    edits: [
      edit(USE, ["const answerMs = unseenMs(inputs.settleMs, view.podResources);", "const answerMs = inputs.settleMs;"]),
      edit(STATE, ["const answerMs = unseenMs(settleMs, view.podResources);", "const answerMs = settleMs;"]),
    ],
  },
  without("holds that end with a young kubelet", HOLDS, ["nowMs - podResources.kubeletSinceMs >= kubeletSettleMs(memory.settleMs)", "nowMs > 0"]),
  without("holds that end in the dark", HOLDS, [" && !isHiddenOnHost(ground.functions.get(address));", ";"]),
  without("other ledgers' ids in another writing", IN_PODS, [
    "const whole = parseAddress(id);",
    "const whole = parseAddress(id) === id ? id : null;",
  ]),
  without("other ledgers' ids by vfio node", IN_PODS, ["nodeOf(id) !== undefined)) return byNode;", "nodeOf(id) !== undefined)) return byGroup;"]),
  without("other ledgers' ids by IOMMU group", IN_PODS, ["? byGroup : () => [];", "? byNode : () => [];"]),
  without("every number for an IOMMU group", IN_PODS, ["ids.every((id) => byGroup(id).length > 0)", "ids.some((id) => byGroup(id).length > 0)"]),
  {
    name: "PreStart that knows nothing of the hold",
    edits: [
      edit(GATE_RULE, ['(hold === null ? purpose !== "PreStart" :', "(hold === null ? purpose !== null :"]),
      edit(GATE_RULE, ["|| facts.hold?.node === facts.fn?.vfioCdev", "|| facts.hold === null || facts.hold.node === facts.fn?.vfioCdev"]),
    ],
  },
  without("PreStart that does not ask the gate", HANDLERS, ["await Promise.all(call.ids.map(start));", "void start;"]),
  without("PreStart that is no answer", HANDLERS, ["async (judged) => noteStart(judged, call)", "async () => undefined"]),
  without("answers that are not remembered", STATE, ["memory: notes.noteAnswer(facts.memory, answer)", "memory: facts.memory"]),
];

const offer: readonly Mutant[] = [
  without("specs known by name, not by content", GATE_RULE, ["specOf(facts)?.node === (facts.fn?.vfioCdev ?? null)", "specOf(facts) !== undefined"]),
  without("Allocate of what an earlier start of kubelet was given", GATE_RULE, [
    'if (purpose === "Allocate" && isForgotten(hold, kubelet)) return FORGOTTEN;',
    "",
  ]),
  without("Allocate that takes a pass's word for who has a device", GATE_RULE, [
    'if (known !== "" || (purpose !== "Allocate" && purpose !== "Prepare") || fn === null) return known;',
    'if (known !== "" || purpose !== "Prepare" || fn === null) return known;',
  ]),
  {
    name: "a device in every list",
    edits: [edit(OFFER, [EVERY_LIST, "if (verdict.offered)"]), edit(PASS, [STAYS, "devices: devices.filter(() => true)"])],
  },
  {
    name: "withheld devices in the list",
    edits: [edit(OFFER, [EVERY_LIST, "if (verdict.resource?.name === resource)"]), edit(PASS, [STAYS, "devices: devices.filter(() => true)"])],
  },
  without("another ledger's resources served", OFFER, ['.filter((rule) => rule.ledger === "DevicePlugin")', '.filter((rule) => rule.name !== "")']),
  without("Allocate that asks nobody", ADMISSION, ["      if (!verdict.offered) throw", '      if (!verdict.offered && address === "") throw']),
  without("Allocate under any name", ADMISSION, [
    '  if (asked.resource !== null && (verdict.resource?.name !== asked.resource || verdict.resource.ledger === "DRA"))\n',
    '  if (asked.resource === "")\n',
  ]),
  without("Allocate by the last pass's intent", ADMISSION, [
    "const currentIntent = (): Intent | null => ports.intent.current()?.intent ?? null;",
    "const currentIntent = (): Intent | null => state.pass?.intent ?? null;",
  ]),
  without("Allocate without the unit's lock", ADMISSION, ["parts.locks.shared(regBase, inner)", "parts.locks.shared(regBase.toUpperCase(), inner)"]),
  without("specs that were not written believed in", SPEC_KEEPER, [
    "wanted].filter(([name]) => inPlace.has(name) && isAsWanted(name, inPlace.get(name) ?? [])));",
    "wanted].filter(([name]) => isAsWanted(name, inPlace.get(name) ?? []) || inPlace.size >= 0));",
  ]),
  without("specs of what is listed, whatever the gate says", PASS, [
    "    if (verdict.offered && isOfPlugin(verdict) && verdict.resource && verdict.epoch !== null)",
    "    if (verdict.resource && verdict.epoch !== null)",
  ]),
  without("a link that stands although its registers differ", LINK_READING, [
    "return last.registers === slot.linkRead.registers ? {",
    "return last.registers !== null ? {",
  ]),
  {
    name: "a link that stands without ever having been read",
    edits: [
      edit(LINK_READING, [
        '  if (last === null || (slot.linkRead.tsm !== "Blocked" && !last.isWriting)) return slot;',
        '  if (last === null && slot.linkRead.tsm !== "Blocked") return slot;\n' +
          '  if (last === null) return { ...slot, link: { ...slot.link, state: "Insecure" }, linkRead: { ...slot.linkRead, tsm: "Stands" } };',
      ]),
      edit(LINK_READING, ['  if (fn.boundRead !== "Blocked" || bound === undefined) return fn;', '  if (fn.boundRead !== "Blocked") return fn;']),
    ],
  },
  without("specs of an earlier process taken over unseen", "agent/adopt.ts", [
    "return offered && epoch === proof.epoch &&",
    "return (offered || asked === null) &&",
  ]),
  without("specs of an earlier process taken over whatever their device's link is", "agent/adopt.ts", [
    "asked === null ? DEVICE_RULES : DEVICE_AND_INTENT_RULES",
    "[]",
  ]),
  without("a device whose unit cannot be read below the one it was last seen below", "domain/use.ts", [
    '    if (unit?.kind === "Unreadable") return true;\n',
    "",
  ]),
  without("specs of an earlier process kept by the first look at their devices", LOOK, [
    "} else await keepAdopted(ports, state, await newest.readDriver());",
    "}",
  ]),
  without("specs of an earlier process taken over under another name than is wanted now", "agent/adopt.ts", [
    "&& (asked === null || resource?.name === resourceOfSpec(name))",
    "",
  ]),
  without("a device of ours below no unit, wherever it was before", "domain/use.ts", [
    'return unit?.kind !== "None" || isOurs;',
    'return unit?.kind !== "None";',
  ]),
  without("no specs taken away before the pass has ended", LOOK, [
    "    if (specs.mustSync() || dra?.mustSync() === true) wakeSpecs();\n  };",
    "  };",
  ]),
  without("no status", "agent/status-writer.ts", ["      await ports.status.write(status);\n", ""]),
  without("no withdrawal before the pass has ended", LOOK, ["      ledger.withdraw(withdrawals(state.pass, news()));\n", ""]),
  // Lists and specs alike: a device whose spec is gone is not listed, so that either alone is made good by the other.
  without("lists by what a pass read earlier", LOOK, ["{ driver: newest.driver(), host: newest.host(),", "{ driver: newest.driver(), host: null,"]),
  without("no wake-up by the driver", AGENT, ["onChange: () => wakes.table() });", "onChange: () => undefined });"]),
  without("no wake-up by the host", AGENT, ["ports.host.onChange(wakes.host), ", ""]),
  without("no look at the host while a pass waits", WAKES, ["loops.withdrawByHost.wakeNow();", "void loops;"]),
  without("no withdrawal before kubelet has answered", LOOK, [
    "    const host = await newest.readHost(look);\n    closeGate();\n",
    "    const host = await newest.readHost(look);\n",
  ]),
  without("no look after a pass that was overtaken", RUN_PASS, [
    'if (overtaken !== "" || mustSync) return',
    'if (overtaken === "?" || mustSync) return',
  ]),
  without("no look without a wake-up", WAKES, ["everyMs: observeEveryMs }", "everyMs: null }"]),
];

/** Of a kernel that owns SETUP: which lines of its log are of the load that is there. */
const kernelOwned: readonly Mutant[] = [
  without("lines of SETUP of a load that nobody watched", "seamcall/tdx-host/evidence.ts", [
    'const isLoadUnwatched = state === "Trusted" && proof === null;',
    "const isLoadUnwatched = false;",
  ]),
  without("lines of SETUP believed whatever the domain ids are", "seamcall/tdx-host/evidence.ts", [
    '("kernelName" in line.unit && isHalved(unit) ? "Halved" : null)',
    '"Halved"',
  ]),
  without("several loads between two looks", PAST, ["arrived !== null && arrived <= 1", "arrived !== null && arrived >= 0"]),
  without("lines of the load before for the next process", PAST, [
    "? { ...past, over: known.over, isWatched: true }",
    "? { ...past, isWatched: true }",
  ]),
  without("loads that the next process is not told of", RUN_PASS, ["  ports.loads?.believe(proven.loads);\n", ""]),
  without("loads that are not kept", RUN_PASS, [", ports.loads?.watched() ?? new Set())", ", state.memory.loads)"]),
];

/** Writes of links: who may be in the way, and what is known before and after. */
const links: readonly Mutant[] = [
  {
    name: "links of a spec that does not ask for them",
    edits: [
      edit(LINKS_USE, ['if (intent?.link.enable !== "OnPrepare" || port !== null)', "if (intent === null || port !== null)"]),
      edit(LINKS_PLAN, ['if (inputs.intent?.link.enable !== "OnPrepare") return [];', ""]),
    ],
  },
  // Free by the plan, and free by the look that the settling time is counted from: the same look.
  {
    name: "a link released with a use",
    edits: [
      edit(LINKS_PLAN, ["if (freeSinceMs === undefined || usesOfSlot(facts, owner).length > 0)", "if (freeSinceMs === undefined)"]),
      edit(LINKS_WORK, ["if (isFree(owner)) freeSince.set(", "freeSince.set("]),
    ],
  },
  without("links secured before the gate of their user", LINKS_PLAN, [
    "if (open === undefined) return verdicts.map(",
    "if (open === undefined && verdicts.length > 99) return verdicts.map(",
  ]),
  // The plan's own test, and the device's register block that is taken.
  {
    name: "a link connected over a stream that is on",
    edits: [
      edit(LINKS_PLAN, ['if (link.state === "Insecure") return', 'if (link.tsm === "") return']),
      edit(LINKS_PLAN, ['if (withoutStream !== "") return later(facts, withoutStream);', ""]),
    ],
  },
  without("streams that are offered a second time", LINKS_STREAMS, ["for (const slot of wanted) take(slot);", ""]),
  without("streams counted a second time while they are taken", LINK_READING, ["return writing === null ? stood : {", "return true ? stood : {"]),
  without("streams of pods' devices below a unit that cannot be read", LINKS_USE, [": memory.lastUnits.get(fn.address);", ": undefined;"]),
  without("streams of pods' devices whose link cannot be read", LINKS_STREAMS, ['link.state !== "Secure"', 'link.state === "Insecure"']),
  without("streams of pods' devices that the spec takes no more", LINKS_STREAMS, [
    "({ owner }) => promisedOn(inputs, owner).length > 0",
    "(slot) => promisedOn(inputs, slot.owner).length > 0 && isOurs(intent, ground, slot)",
  ]),
  without("streams kept for pods of another span of trust", LINKS_USE, ["hold.epoch === epoch && !isEnding(hold)", "!isEnding(hold)"]),
  without("register blocks of a root port that nobody counts", LINKS_STREAMS, ["left: blocksLeft.rootPort }", "left: null }"]),
  without("a link released under a pod whose function is off the bus", LINKS_USE, ["|| last === undefined || units.has(last);", ";"]),
  without("looks while another link is written", LINKS_PLAN, ["wakeAtMs: writing === null ? finding.wakeAtMs : null,", ""]),
  without("looks at links that the own write keeps from being read", "domain/memory.ts", [
    "isAnyLinkUnsure(ground, memory.linkWork.writing !== null)",
    "isAnyLinkUnsure(ground, false)",
  ]),
  without("a link that is connected again and again without a stream", LINKS_WORK, [
    'else if (unread.has(owner) && link.state === "Secure")',
    'else if (unread.has(owner) && link.state === "Insecure")',
  ]),
  without("a link released without settling", LINKS_PLAN, [
    "Math.max(settledAtMs(memory, ground.view.podResources, freeSinceMs), failure",
    "Math.max(0, failure",
  ]),
  without("a link never released", LINKS_PLAN, ["return repair(facts) ?? release(facts);", "return repair(facts) ?? AT_REST;"]),
  without("a link never repaired", LINKS_PLAN, ["return repair(facts) ?? release(facts);", "return release(facts);"]),
  without("a link repaired under a TD", LINKS_USE, ['onSlot.filter((fn) => fn.bound !== "No");', 'onSlot.filter((fn) => fn.bound === "Unknown");']),
  without("a link repaired under another function's holder", LINKS_USE, [
    "if (first === undefined || (held.length === 1 && wanting.includes(first))) return [];",
    "if (first !== undefined || held.length === 0) return [];",
  ]),
  without("a link repaired as often as it is lost", LINKS_PLAN, ["count < MOST_REPAIRS ? 0 : fewerAtMs,", ""]),
  without("a link connected again under those that it covers", LINKS_PLAN, [
    "isLost ? repairBlockers(facts, owner, wanting) : usersBesides(facts, uncovered);",
    "repairBlockers(facts, owner, wanting);",
  ]),
  without("uncovered virtual functions for good", LINKS_USE, [
    'if (slot.link.streamSecure !== "Yes") return [];',
    'if (slot.link.streamSecure !== "No") return [];',
  ]),
  without("a write decided on an old view", LINK_STEPS, ["if (state.stopping || !isSame ||", "if (state.stopping ||"]),
  without("a failure that is forgotten at once", LINKS_WORK, [
    "isWanted(owner) || !isForgotten(failure, nowMs)",
    "isWanted(owner) && isForgotten(failure, nowMs)",
  ]),
  without("links that nobody watches", "agent/link-watch.ts", ["if (last !== undefined && registers !== last.registers) onChange();", ""]),
  without("a start let through while its link is written", "domain/gate/link-rules.ts", [
    '(slot?.link.state === "Secure" && slot.linkRead.tsm !== "Writing")',
    '(slot?.link.state === "Secure")',
  ]),
  without("a link on its way taken for one that is read", LINK_READING, ["if (isWritten(slot, writing)) return { ...last, isWriting: true };", ""]),
  without("a reading that the end of an own write falls into", LINK_READING, [' || linkRead.tsm === "Writing";', ";"]),
  without("pods of the API that a release does not ask for", OBSERVE, ["mayRelease(intent, ground, memory) || ", ""]),
  without("holders of secured slots that nobody looks for", WANTED_HOLDERS, ['(intent.link.enable === "OnPrepare" && isSecured(fn))', "false"]),
];

const drivers: readonly Mutant[] = [
  {
    name: "a driver taken from the host's hands",
    edits: [
      edit(BINDS_PLAN, ['return users.length > 0 ? users.slice(0, 3).join("; ") : null;', "return null;"]),
      edit("domain/gate/bind-rules.ts", ['!isToBeBound(facts) || hostUseText(facts) === ""', "true"]),
    ],
  },
  without("vfio-pci for what could not be offered with it", BINDS_PLAN, ["BIND_RULES).offered) return", "[]).offered) return"]),
  {
    name: "a driver given back under a use",
    edits: [
      edit(BINDS_PLAN, ["if (uses.length > 0) return describeUses(uses);", ""]),
      edit("domain/binds/work.ts", ['wish === "Native" && isFree(fn)', 'wish === "Native"']),
    ],
  },
  without("a driver given back without a settling time", BINDS_PLAN, ['to === "Native" ? settledMs(facts) : 0', "0"]),
  without("a driver changed on an old view", BIND_STEPS, ["|| now?.to !== step.to) return false", ") return false"]),
  without("a change that is waited for without end", BIND_STEPS, ["ms: BIND_STUCK_MS,", "ms: BIND_STUCK_MS * 1000,"]),
  without("a change that is tried again at once, for ever", "domain/binds/error.ts", ["return lastMs + (count", "return lastMs * 0 + 0 * (count"]),
  without("pods of the API that giving back does not ask for", OBSERVE, [" || mayGiveBack(intent, ground, memory)", ""]),
  without("holders of what gets another driver that nobody looks for", WANTED_HOLDERS, ["bindWish(intent, fn) !== null || ", ""]),
];

export const MUTANTS: readonly Mutant[] = [
  ...links,
  ...drivers,
  ...kernelOwned,
  ...gateRules,
  ...setupRules,
  ...uses,
  ...search,
  ...clear,
  ...setup,
  ...holds,
  ...offer,
  ...audit,
  ...DRA_MUTANTS,
];
