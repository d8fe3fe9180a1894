// SPDX-License-Identifier: Apache-2.0

/** The pure middle of a pass: one observation becomes verdicts, plan, offer, report and settlement. */
import type { Address } from "../domain/device.ts";
import { gateInputsOn } from "../domain/gate/basis.ts";
import { judge } from "../domain/gate/gate.ts";
import type { GateInputs, Verdict } from "../domain/gate/inputs.ts";
import { SPEC_RULES } from "../domain/gate/rule-sets.ts";
import { type Ground, indexed, inSlot, unitFacts } from "../domain/ground.ts";
import { isAnyHoldStale } from "../domain/holds.ts";
import type { HostView } from "../domain/host.ts";
import type { Intent } from "../domain/intent.ts";
import { kubeletSettleMs } from "../domain/kubelet-settling.ts";
import { hostToJudge, linkContextOf } from "../domain/link-reading.ts";
import type { Memory } from "../domain/memory.ts";
import { type OfferedResource, offerFrom, verdictsAgain, verdictsFor } from "../domain/offer.ts";
import { planOf } from "../domain/plan/plan.ts";
import type { SpecProof } from "../domain/proofs.ts";
import { reportFrom } from "../domain/report.ts";
import { absentAddresses } from "../domain/selector.ts";
import { settlementFrom } from "../domain/settlement.ts";
import { NO_SPECS, specName } from "../domain/specs.ts";
import type { AgentStatus, ReadStatus } from "../domain/status.ts";
import type { Answer, DriverView, PodResourcesView, Reading } from "../domain/view.ts";
import { backoffDelayMs, noJitter } from "../runtime/backoff.ts";
import type { Pass, Wanted } from "./state.ts";

export interface DecideInputs {
  readonly intent: Intent | null;
  readonly generation: number;
  readonly intentProblem: string;
  readonly auditProblem: string;
  readonly memory: Memory;
  readonly ground: Ground;
  readonly agent: AgentStatus;
  readonly driver: string;
  readonly previous: ReadStatus | null;
  readonly hasKubelet: boolean;
  readonly now: string;
  /** Verdicts of the same ground, before specs and proofs were written; null: there are none. */
  readonly wanted: Wanted | null;
}

/** What would be listed if specs and proofs can be written, which is tried next. */
export function want({ intent, ground, memory }: Pick<DecideInputs, "intent" | "ground" | "memory">): Wanted {
  const verdicts = verdictsFor(intent, ground, { ...memory, specs: NO_SPECS, proofProblem: "" });
  return { ground, verdicts, offer: offerFrom(intent, verdicts, { ground, memory }) };
}

export function decide(inputs: DecideInputs): Pass {
  const { intent, ground, memory, wanted } = inputs;
  const verdicts = wanted ? verdictsAgain(wanted.verdicts, intent, ground, memory) : verdictsFor(intent, ground, memory);
  const plan = planOf({ intent, ground, memory });
  const offer = offerFrom(intent, verdicts, { ground, memory });
  const status = reportFrom({
    ground,
    agent: inputs.agent,
    driver: inputs.driver,
    verdicts,
    plan,
    hasIntent: intent !== null,
    namedUnits: new Set(intent?.units.regBases ?? []),
    holds: memory.holds,
    absentAddresses: absentAddresses(intent, ground),
    linkWork: memory.linkWork,
    securesLinks: intent?.link.enable === "OnPrepare",
    specs: memory.specs,
    proofProblem: memory.proofProblem,
    auditProblem: inputs.auditProblem,
    hasKubelet: inputs.hasKubelet,
    desiredState: intent?.state ?? null,
    generation: inputs.generation,
    intentProblem: inputs.intentProblem,
    previous: inputs.previous,
    now: inputs.now,
  });
  const { publications, host } = ground.view;
  const unreadableUnits = host.kind === "Read" ? host.value.unreadableUnits : [];
  const settlement = settlementFrom({
    intent,
    plan,
    verdicts,
    specs: memory.specs,
    offer,
    publications,
    hasKubelet: inputs.hasKubelet,
    dra: ground.view.dra,
    unreadableUnits,
  });
  return { intent, ground, verdicts, plan, offer, status, settlement };
}

/** What is known by now, which may be newer than the pass. */
export interface News {
  /** Null: not read yet. */
  readonly driver: Reading<DriverView> | null;
  readonly host: Reading<HostView> | null;
  readonly intent: Intent | null;
  readonly memory: Memory;
}

/**
 * The last offer without the devices that the gate closes for on a newer driver, host or intent: what can be withdrawn at once, before the slow
 * part of an observation. It never adds a device.
 */
export function withdrawals(pass: Wanted, news: News): readonly OfferedResource[] {
  const gate = gateOn(pass, news);
  const stays = (id: string, resource: string): boolean => {
    const verdict = judge(gate(id));
    return verdict.offered && isOfPlugin(verdict) && verdict.resource?.name === resource;
  };
  return pass.offer.map(({ resource, devices, isQuiet }) => ({
    resource,
    isQuiet,
    devices: devices.filter((device) => !device.healthy || stays(device.id, resource)),
  }));
}

/** The CDI specs that may be in place: those of the pass's open verdicts whose gate is open by now, too. */
export function openSpecs(pass: Wanted, news: News): ReadonlyMap<string, SpecProof> {
  const gate = gateOn(pass, news);
  const specs = new Map<string, SpecProof>();
  for (const { address, offered, reason, resource } of pass.verdicts) {
    // A device of DRA is named by its claim's file alone.
    if (resource?.ledger === "DRA") continue;
    if (!offered && reason !== "CdiUnwritable" && reason !== "NoStreamFree" && reason !== "StreamsShared") continue;
    const inputs = gate(address);
    const verdict = judge(inputs, SPEC_RULES);
    if (verdict.offered && isOfPlugin(verdict) && verdict.resource && verdict.epoch !== null)
      specs.set(specName(verdict.resource.name, address), { node: inputs.fn?.vfioCdev ?? null, epoch: verdict.epoch });
  }
  return specs;
}

/** By the newest intent, which may have given the same name to DRA since the pass. */
function isOfPlugin({ resource }: Verdict): boolean {
  return resource?.ledger === "DevicePlugin";
}

/** The gate's inputs for a device, by the newest readings. */
export type GateOn = (address: Address) => GateInputs;

export function gateOn(pass: Pick<Wanted, "ground">, { driver, host, intent, memory }: News): GateOn {
  const table = driver ?? pass.ground.view.driver;
  const inputs = gateInputsOn({ intent, driver: table, memory }, "List");
  const units = table.kind === "Read" ? unitFacts(table) : null;
  const seen = host === null ? pass.ground : indexed(hostToJudge(host, linkContextOf(memory, units)));
  return (address) => inputs(address, inSlot(seen, address));
}

/**
 * Why a pass is old news when it ends: by its last reading of the table less is listed than it offers, or another driver answers (or none, or
 * one at last). Empty when it is not. Nothing need wake the agent for it: a list that stays as it was wakes no reader.
 */
export function overtakenBy(pass: Pass, last: Reading<DriverView>, listed: readonly OfferedResource[]): string {
  const [before, after] = [instanceName(pass.ground.view.driver), instanceName(last)];
  if (before !== after) return `the driver was ${before} and is ${after}`;
  const left = countOf(pass.offer) - countOf(listed);
  return left > 0 ? `${left} devices may not be offered any more` : "";
}

function instanceName(driver: Reading<DriverView>): string {
  return driver.kind === "Read" ? `${driver.value.name} ${driver.value.table.instance}` : "unreadable";
}

function countOf(offer: readonly OfferedResource[]): number {
  return offer.reduce((sum, { devices }) => sum + devices.length, 0);
}

/** Milliseconds until time alone may change a decision; null when nothing waits for time. */
export function wakeAfterMs(pass: Pass, nowMs: number): number | null {
  const due = [...pass.plan.units, ...pass.plan.links, ...pass.plan.binds].flatMap(({ wakeAtMs }) => wakeAtMs ?? []);
  return due.length === 0 ? null : Math.max(0, Math.min(...due) - nowMs);
}

export interface HolderFacts {
  readonly answers: readonly Answer[];
  readonly memory: Pick<Memory, "holds" | "lastUnits" | "settleMs">;
  readonly ground: Ground;
  readonly podResources: PodResourcesView;
  readonly nowMs: number;
}

const SOON_MS = 2_000;
const LATER_MS = 15_000;

/**
 * When to look at holders again, since nothing tells the agent that one changed. Soon after an answer of ours, after a kubelet start (podresources
 * leaves pods out that come back by themselves), and while a hold is ending or withholds its device; later while pods just hold devices.
 */
export function holderPollMs({ answers, memory, ground, podResources, nowMs }: HolderFacts): number | null {
  const isYoung = podResources.kind === "Read" && nowMs - podResources.kubeletSinceMs < kubeletSettleMs(memory.settleMs);
  const isEnding = [...memory.holds.values()].some((hold) => hold.freeSinceMs !== null);
  if (answers.length > 0 || isYoung || isEnding || isAnyHoldStale(memory, ground)) return SOON_MS;
  return memory.holds.size > 0 ? LATER_MS : null;
}

const UNSURE_LINK = { minMs: 250, maxMs: 2_000, jitter: 0 } as const;

/** When to look again at links that could not be read, since nothing tells the agent that they can be; null when all were. */
export function linkPollMs({ unsureLooks }: Pick<Memory, "unsureLooks">): number | null {
  return unsureLooks === 0 ? null : backoffDelayMs(UNSURE_LINK, unsureLooks, noJitter);
}
