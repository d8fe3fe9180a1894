// SPDX-License-Identifier: Apache-2.0

import type { HostUnit, PciFunction } from "./device.ts";
import { functionsBelow, type Ground, type UnitFact } from "./ground.ts";
import { type Intent, selectsUnit } from "./intent.ts";
/**
 * The plan: for every unit, what is to be done now, or why nothing is. Pure: the same inputs give the same plan, and a plan is only ever carried
 * out after the same function has said so again on a fresher view (agent/perform.ts).
 */
import { kubeletSettleMs } from "./kubelet-settling.ts";
import { atMostThree, releasable } from "./link-names.ts";
import { type Attempts, clearanceOf, isSetUp, isStranded, type Memory } from "./memory.ts";
import type { UnitReason } from "./reason.ts";
import { decodeStatus, hexStatus } from "./seamcall-status.ts";
import type { Environment, Leaf, RegBase } from "./unit.ts";
import { compareRegBase, ECAP_TDX_CONNECT } from "./unit.ts";
import { describeUses } from "./use.ts";

export type Step =
  | { readonly kind: "Setup"; readonly regBase: RegBase }
  | { readonly kind: "Clear"; readonly regBase: RegBase; readonly tdxIommuId: bigint; readonly setupSeq: bigint };

export interface UnitVerdict {
  readonly regBase: RegBase;
  readonly selected: boolean;
  readonly reason: UnitReason;
  readonly message: string;
  readonly step: Step | null;
  /** Monotonic ms at which time alone may change this verdict; null when only a change of the world can. */
  readonly wakeAtMs: number | null;
}

export interface PlanInputs {
  readonly intent: Intent | null;
  readonly ground: Ground;
  readonly memory: Memory;
}

/** Every unit that the binding or the kernel lists, that was seen before, or that the intent names. In order of address. */
export function planUnits(inputs: PlanInputs): readonly UnitVerdict[] {
  const { ground, intent, memory } = inputs;
  const bases = new Set([...ground.units.keys(), ...memory.knownUnits, ...(intent?.units.regBases ?? [])]);
  return [...bases].sort(compareRegBase).map((regBase) => planUnit(inputs, regBase));
}

/** What applies to one unit. */
export interface UnitFacts extends PlanInputs {
  readonly regBase: RegBase;
  readonly intent: Intent;
  readonly fact: UnitFact;
  readonly hostUnit: HostUnit | null;
  readonly below: readonly PciFunction[];
}

type Finding = Omit<UnitVerdict, "regBase" | "selected">;
const because = (reason: UnitReason, message = ""): Finding => ({ reason, message, step: null, wakeAtMs: null });

export function planUnit(inputs: PlanInputs, regBase: RegBase): UnitVerdict {
  const { intent, ground } = inputs;
  const selected = intent !== null && selectsUnit(intent, regBase);
  return { regBase, selected, ...find() };

  function find(): Finding {
    const { binding, host } = ground.view;
    const fact = ground.units.get(regBase);
    const hostUnit = (host.kind === "Read" && host.value.units.find((unit) => unit.regBase === regBase)) || null;
    // The kernel's own word is enough for no: a host without TDX Connect needs no driver to be told so.
    if (!fact && hostUnit?.ecap != null && (hostUnit.ecap & ECAP_TDX_CONNECT) === 0n)
      return because("TdxConnectMissing", `ecap 0x${hostUnit.ecap.toString(16)}`);
    if (binding.kind !== "Read") return because("BindingUnreadable", binding.why);
    if (!fact) return unlisted({ ...inputs, regBase, hostUnit, driver: binding.value.driver });
    if (intent === null || !selected) return because("NotSelected");
    const settled = SETTLED_BY_STATE[fact.entry.state]?.(fact);
    if (settled) return settled;
    if (fact.entry.state === "Unknown" && host.kind === "Read" && !hostUnit)
      return because("UnitMissing", `${binding.value.driver} lists it, the kernel does not`);
    const facts: UnitFacts = { ...inputs, intent, regBase, fact, hostUnit, below: functionsBelow(ground, regBase) };
    // While TDX cannot be called nobody can tell what became of an id, or do anything about it.
    if (environmentOf(facts) !== "Ok" && (fact.entry.state === "Unknown" || fact.entry.tdxIommuId !== null))
      return because("TrustLost", ENVIRONMENT_TEXT[environmentOf(facts)]);
    return intent.state === "Trusted" ? planTrusted(facts) : planCleared(facts);
  }
}

/** What the driver does not list: who does, if anybody, and why it is spoken of at all. */
function unlisted(facts: PlanInputs & { readonly regBase: RegBase; readonly hostUnit: HostUnit | null; readonly driver: string }): Finding {
  const { hostUnit, driver, memory, ground, regBase } = facts;
  if (hostUnit) return because("NotInBinding", `the kernel lists it as ${hostUnit.kernelName}, ${driver} does not`);
  const nobody = ground.view.host.kind === "Read" ? `neither the kernel nor ${driver} lists it` : `${driver} does not list it`;
  return because("UnitMissing", `${nobody}; ${memory.knownUnits.has(regBase) ? "it was there before" : "spec.units.regBases names it"}`);
}

/** States in which the intent makes no difference. */
const SETTLED_BY_STATE: Partial<Record<UnitFact["entry"]["state"], (fact: UnitFact) => Finding>> = {
  Foreign: () => because("ForeignOwner"),
  Unsupported: ({ entry }) =>
    because((entry.ecap & ECAP_TDX_CONNECT) === 0n ? "TdxConnectMissing" : "RejectedByModule", `ecap 0x${entry.ecap.toString(16)}`),
  SettingUp: () => because("SetupRunning"),
  Clearing: () => because("ClearRunning"),
};

function planTrusted(facts: UnitFacts): Finding {
  const { entry, epoch } = facts.fact;
  if (epoch !== null)
    return facts.memory.verifying.has(facts.regBase) ? because("SetupRunning", VERIFYING) : because("SetupSucceeded", entry.evidence);
  if (isKernelOwned(facts))
    return unproven(facts) ?? partOfUnits(facts, hasConnect, "set up: it sets up") ?? because("KernelOwned", `${LOAD}${entry.evidence}`);
  if (isStranded(facts.fact)) return planCleared(facts);
  if (entry.state === "Trusted" || entry.tdxIommuId !== null) return because("TrustLost", ENVIRONMENT_TEXT[environmentOf(facts)]);
  for (const rule of SETUP_RULES) {
    const message = rule.refuses(facts);
    if (message !== null) return { ...because(rule.reason, message), wakeAtMs: facts.ground.view.nowMs + REFUSED_POLL_MS };
  }
  const step: Step = { kind: "Setup", regBase: facts.regBase };
  return repeatable(facts, "TDH.IOMMU.SETUP", { step, fresh: "SetupPending", again: "SetupRetrying", failed: "SetupFailed" });
}

/** tdx_host is on the faux bus, whose devices can't be bound or unbound by hand: loading and unloading it is the only way there is. */
const LOAD = "load tdx_host: it sets up all units; ";
const RELOAD = "when no pod uses a device, unload tdx_host and load it again while this agent runs; ";
const UNLOAD = "no pod uses a device: unload tdx_host, it clears all units";

function isKernelOwned({ ground: { view } }: UnitFacts): boolean {
  return view.binding.kind === "Read" && view.binding.value.info.kernelOwned;
}

function unproven({ fact: { entry }, intent }: UnitFacts): Finding | null {
  if (entry.state !== "Unknown") return null;
  if (entry.missing !== "WatchedLoad") return because("EvidenceIncomplete", entry.evidence);
  const advice = intent.state === "Trusted" ? RELOAD : "when no pod uses a device, unload tdx_host; ";
  return because("LoadNotWatched", `${advice}${entry.evidence}`);
}

const hasConnect = ({ entry }: UnitFact): boolean => (entry.ecap & ECAP_TDX_CONNECT) !== 0n;

/** All or nothing: what is asked of some of the units that it concerns the kernel can only do to all of them. */
function partOfUnits({ intent, ground }: UnitFacts, concerns: (fact: UnitFact) => boolean, what: string): Finding | null {
  const all = [...ground.units.values()].filter(concerns).map((fact) => fact.entry.regBase);
  const selected = all.filter((regBase) => selectsUnit(intent, regBase));
  return selected.length === all.length ? null : because("KernelOwned", `${selected.length} of ${all.length} units are to be ${what} all or none`);
}

const VERIFYING = "the links below are read again";
/** Links and domain ids change without a wake-up. */
const REFUSED_POLL_MS = 5_000;

interface SetupRule {
  readonly reason: UnitReason;
  /** Why SETUP must not be issued; null when this rule has nothing against it. */
  refuses(facts: UnitFacts): string | null;
}

/** What must hold before SETUP is issued (I3, and what the TDX module would refuse). The first that refuses is the reason. */
export const SETUP_RULES: readonly SetupRule[] = [
  { reason: "HostUnreadable", refuses: ({ ground }) => (ground.view.host.kind === "Read" ? null : ground.view.host.why) },
  { reason: "EnvironmentNotReady", refuses: (facts) => (environmentOf(facts) === "Ok" ? null : ENVIRONMENT_TEXT[environmentOf(facts)]) },
  {
    reason: "RealSetupDisabled",
    refuses: ({ ground: { view } }) =>
      view.binding.kind === "Read" && (view.binding.value.info.simulated || view.binding.value.info.realSetup)
        ? null
        : "load the module with real SETUP allowed",
  },
  {
    reason: "LinkSecuredBeforeSetup",
    refuses: ({ below, ground }) => named(inState(below, "Secure"), (fns) => releasable(fns, ground.functions.values())),
  },
  { reason: "LinkUnknown", refuses: ({ below }) => named(inState(below, "Unknown"), (fns) => fns.map(withProblem)) },
  { reason: "DomainIdsInUse", refuses: domainIdsInUse },
];

function inState(below: readonly PciFunction[], state: PciFunction["link"]["state"]): readonly PciFunction[] {
  return below.filter((fn) => fn.link.state === state);
}

function withProblem({ address, configProblem, linkRead }: PciFunction): string {
  const problem = linkRead.tsm === "Failed" ? "tsm/ cannot be read" : linkRead.tsm === "Blocked" ? "reading tsm/ blocks" : configProblem;
  return problem === "" ? address : `${address} (${problem})`;
}

function named(found: readonly PciFunction[], namesOf: (found: readonly PciFunction[]) => readonly string[]): string | null {
  return found.length === 0 ? null : atMostThree(namesOf(found));
}

/** A kernel that cannot reserve the upper half of the domain ids must be far from using it (VT-d CAP.ND; the module takes the top bit). */
function domainIdsInUse({ ground, hostUnit }: UnitFacts): string | null {
  const { binding } = ground.view;
  if (binding.kind !== "Read" || !binding.value.info.didUnreserved) return null;
  const { domainsUsed: used = null, domainsSupported: supported = null } = hostUnit ?? {};
  if (used === null || supported === null) return "domains_used or domains_supported cannot be read";
  // Not how many: their number changes all the time, and a status with it.
  return used >= supported / 4 ? `${supported / 4} or more of ${supported}` : null;
}

const BLOCKED_POLL_MS = 2_000;
const WITHDRAW_POLL_MS = 250;

function planCleared(facts: UnitFacts): Finding {
  const { fact, memory, ground, regBase } = facts;
  const { tdxIommuId, setupSeq, state } = fact.entry;
  const isSetupFailed = state === "Failed" && fact.entry.lastCall?.leaf === "TDH.IOMMU.SETUP";
  if (isKernelOwned(facts)) {
    const refusal = unproven(facts) ?? partOfUnits(facts, isSetUp, "cleared: it clears");
    if (refusal) return refusal;
  }
  if (!isSetUp(fact)) return isSetupFailed ? because("SetupFailed", lastStatus(facts)) : because("Cleared");
  const { uses, listed } = clearanceOf(memory, ground, regBase);
  // Kubelet and the API do not call us when a device is let go: these two are looked at again.
  const { nowMs } = ground.view;
  if (uses.length > 0 && uses.every((use) => use.kind === "NotAsked"))
    return { ...because("ClearPending", "the pods of this node are asked next"), wakeAtMs: nowMs + WITHDRAW_POLL_MS };
  if (uses.length > 0) return { ...because("ClearBlocked", describeUses(uses)), wakeAtMs: nowMs + BLOCKED_POLL_MS };
  if (listed.length > 0)
    return { ...because("ClearPending", `kubelet still lists ${listed.slice(0, 3).join(", ")}`), wakeAtMs: nowMs + WITHDRAW_POLL_MS };
  const readyAtMs = settledAt(facts);
  if (nowMs < readyAtMs) return { ...because("ClearSettling", `free for less than ${memory.settleMs / 1000} s`), wakeAtMs: readyAtMs };
  if (tdxIommuId === null || isKernelOwned(facts)) return because("KernelOwned", UNLOAD);
  const older = olderDriver(facts);
  if (older !== null) return because("DriverTooOld", older);
  const ahead = callUnderWay(facts);
  if (ahead !== null) return because("ClearPending", `waits for ${ahead}`);
  const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq };
  return repeatable(facts, "TDH.IOMMU.CLEAR", { step, fresh: "ClearPending", again: "ClearRetrying", failed: "ClearFailed" });
}

/** A CLEAR that can't be told until when its look is good could begin under a guest. */
function olderDriver({ ground: { view } }: UnitFacts): string | null {
  if (view.binding.kind !== "Read" || view.binding.value.info.honoursNotAfter) return null;
  const { driver, info } = view.binding.value;
  return `${driver} of version ${info.abiVersion} is loaded, 2 is needed: load the installed one; as it stays while a unit is trusted, reboot this node`;
}

/** Calls run one after the other: this one would wait behind it, and its look would age. The end of that call wakes the agent. */
function callUnderWay({ ground, regBase }: UnitFacts): string | null {
  for (const { entry } of ground.units.values()) {
    if (entry.regBase === regBase) continue;
    if (entry.state === "SettingUp") return `SETUP of ${entry.regBase}`;
    if (entry.state === "Clearing") return `CLEAR of ${entry.regBase}`;
  }
  return null;
}

/** The settling time counts from the first free view, from the agent's start, and from the first sight of this kubelet (I5). */
function settledAt({ memory, ground, regBase }: UnitFacts): number {
  const { podResources, nowMs } = ground.view;
  const ownMs = Math.max(memory.freeSince.get(regBase) ?? nowMs, memory.startedMs) + memory.settleMs;
  return podResources.kind === "Read" ? Math.max(ownMs, podResources.kubeletSinceMs + kubeletSettleMs(memory.settleMs)) : ownMs;
}

interface Repetition {
  readonly step: Step;
  readonly fresh: UnitReason;
  readonly again: UnitReason;
  readonly failed: UnitReason;
}

/** Issues the step at once when it is new, after a backoff when the last status allows a repeat, and never when it does not. */
function repeatable(facts: UnitFacts, leaf: Leaf, reasons: Repetition): Finding {
  const { entry } = facts.fact;
  const { lastCall } = entry;
  const attempts = attemptsAt(facts, leaf);
  const action = lastCall?.leaf === leaf ? decodeStatus(leaf, lastCall.status).action : null;
  // A unit that was refused and is Untrusted again has another TDX module now.
  const goesOn = action === "success" || action === null || (action === "unsupported" && entry.state === "Untrusted");
  if (goesOn && !attempts) return { ...because(reasons.fresh), step: reasons.step };
  if (!goesOn && (action === "failed" || action === "unsupported")) return because(reasons.failed, lastStatus(facts));
  const slow = action === "precondition" || action === "environment";
  const repeatMs = attempts ? attempts.lastMs + repeatDelayMs(Math.max(attempts.count, 1), slow) : facts.ground.view.nowMs;
  // A look that ages before each CLEAR is no attempt, and no reason to look without a rest.
  const dueMs = Math.max(repeatMs, (attempts?.lateMs ?? Number.NEGATIVE_INFINITY) + repeatDelayMs(1, false));
  const due = facts.ground.view.nowMs >= dueMs;
  return { reason: reasons.again, message: attempts?.problem || lastStatus(facts), step: due ? reasons.step : null, wakeAtMs: due ? null : dueMs };
}

function attemptsAt({ memory, ground: { view }, regBase }: UnitFacts, leaf: Leaf): Attempts | undefined {
  const attempts = memory.attempts.get(regBase);
  const instance = view.binding.kind === "Read" ? view.binding.value.table.instance : "";
  return attempts?.leaf === leaf && attempts.instance === instance ? attempts : undefined;
}

/** Doubles from 0.25 s to 30 s. A precondition (and an environment) is looked at every 10 s: the host must change first, and a change wakes the agent anyway. */
export function repeatDelayMs(count: number, slow: boolean): number {
  return slow ? 10_000 : Math.min(250 * 2 ** Math.min(count - 1, 10), 30_000);
}

function lastStatus({ fact }: UnitFacts): string {
  const { lastCall } = fact.entry;
  if (!lastCall) return "";
  if (lastCall.attempts === 0) return `${lastCall.leaf} was not issued: the unit's registers forbid it, the kernel log says which`;
  const { name, operand } = decodeStatus(lastCall.leaf, lastCall.status);
  return `${lastCall.leaf} answered ${name}${operand === "" ? "" : ` (${operand})`}, ${hexStatus(lastCall.status)}`;
}

function environmentOf({ ground }: UnitFacts): Environment {
  return ground.view.binding.kind === "Read" ? ground.view.binding.value.info.environment : "NotReady";
}

/** What an environment other than Ok means, and what to do. */
export const ENVIRONMENT_TEXT: Readonly<Record<Environment, string>> = {
  Ok: "",
  Ud: "SEAMCALL raised #UD: this CPU is not in VMX operation (is kvm_intel loaded with tdx=1?)",
  Gp: "SEAMCALL raised #GP: TDX is not switched on in the firmware",
  VmFailInvalid: "SEAMCALL answered VMfailInvalid: no TDX module is loaded",
  NotReady: "the TDX module is not initialised",
  NotOptedIn: "TDX Connect was not opted in when the TDX module was configured (TDH.SYS.CONFIG)",
};
