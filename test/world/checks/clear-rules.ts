// SPDX-License-Identifier: Apache-2.0

/** What speaks against CLEAR (I4, I5, I6): the checker's own statement, from the models' truth. */
import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
import type { ClearTarget } from "../../../src/seamcall/port.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import type { DraWorld } from "../life/dra-world.ts";
import { knownToBeTaken } from "../life/taken.ts";
import type { World } from "../life/world.ts";
import { isOurs } from "../models/dra-objects.ts";
import type { Age } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import { CLEAR_LEAF, isFatal } from "../models/module-status.ts";
import type { ModuleUnit } from "../models/module-unit.ts";
import type { Pod } from "../models/pod.ts";
import { has } from "../runs/capabilities.ts";
import { CANNOT_BE_CALLED, EVER, isSelected, type Known, mayBeBelow, Objections, sinceBelow, youngest } from "./setup-rules.ts";
import { specsInPlace } from "./spec-rules.ts";

export interface ClearEvidence {
  readonly world: World;
  readonly process: AgentProcess;
  readonly target: ClearTarget;
  /** When a view that the agent read last showed the unit busy. */
  readonly busy: Age;
  /** When Allocate last said yes, by device. */
  readonly answeredMs: ReadonlyMap<string, number>;
}

export function clearObjections(evidence: ClearEvidence): readonly Known[] {
  const { world, target } = evidence;
  const unit = world.module.find(target.regBase);
  if (unit === null) return [{ why: "there is no such unit", ...EVER }];
  const found = new Objections();
  againstTarget(evidence, unit, found);
  againstQueue(evidence, found);
  againstIntent(evidence, unit, found);
  unreadable(evidence, found);
  for (const fn of world.host.functions) if (mayBeBelow(world, fn, unit.regBase)) againstFunction(world, { fn, unit }, found);
  againstPods(evidence, found);
  againstSpecs(evidence, found);
  againstOthers(evidence, found);
  againstHaste(evidence, found);
  return found.list;
}

/** So old may be what a CLEAR was decided on when it begins: it may wait for its turn, and its caller may be stopped (I4). */
const LOOK_IS_GOOD_MS = 5_000;

/** What speaks against a CLEAR that begins now, and did so already when the last look that it may rest on was taken. */
export function beginObjections({ world, process, target }: Omit<ClearEvidence, "busy" | "answeredMs">): readonly Known[] {
  const unit = world.module.find(target.regBase);
  if (unit === null) return [{ why: "there is no such unit", ...EVER }];
  const found = new Objections();
  againstIntent({ process }, unit, found);
  unreadable({ world }, found);
  for (const fn of world.host.functions) if (mayBeBelow(world, fn, unit.regBase)) againstFunction(world, { fn, unit }, found);
  againstHeld({ world, process, target }, found, (pod) => pod.since);
  return found.list.filter((one) => world.time.nowMs - one.sinceMs > LOOK_IS_GOOD_MS);
}

function againstTarget({ target }: ClearEvidence, unit: ModuleUnit, found: Objections): void {
  const isRight = unit.id === target.tdxIommuId && unit.seq === target.setupSeq;
  found.add(!isRight, `id ${target.tdxIommuId} of SETUP ${target.setupSeq} is not the unit's`, unit.settled);
  found.add(unit.isForeign, "the unit is somebody else's", EVER);
  const { lastCall } = unit;
  found.add(unit.state === "Failed" && lastCall?.leaf === CLEAR_LEAF && isFatal(lastCall.status), "CLEAR failed for good", unit.settled);
}

/** A CLEAR that waits behind another unit's call begins on a look that has aged, and only the driver can keep it from that. */
function againstQueue({ world, target }: ClearEvidence, found: Objections): void {
  found.add(!world.shape.honoursNotAfter, "the driver does not know until when a look is good", EVER);
  for (const unit of world.module.units) {
    const isAhead = unit.regBase !== target.regBase && (unit.state === "SettingUp" || unit.state === "Clearing");
    found.add(isAhead, `${unit.regBase} is ${unit.state}`, unit.settled);
  }
}

function againstIntent({ process }: Pick<ClearEvidence, "process">, unit: ModuleUnit, found: Objections): void {
  const intent = process.intent.value?.intent ?? null;
  found.add(intent === null, "nobody wants anything", process.intent);
  if (intent === null) return;
  found.add(!isSelected(intent, unit.regBase), "the unit is not selected", process.intent);
  // A unit with an id and without trust is cleared to its end first, and set up again then.
  const isStranded = unit.id !== null && (unit.state === "Failed" || unit.state === "Unknown");
  found.add(intent.state === "Trusted" && !isStranded, "the intent is Trusted", process.intent);
}

/** What cannot be read counts as in use. */
function unreadable({ world }: Pick<ClearEvidence, "world">, found: Objections): void {
  const { host, kubelet, api, shape } = world;
  found.add(!host.isReadable.value, "the host cannot be read", host.isReadable);
  found.add(world.module.environment.value !== "Ok", CANNOT_BE_CALLED, world.module.environment);
  found.add(shape.hasKubelet && !kubelet.isAnswering.value, "podresources cannot be read", kubelet.isAnswering);
  const isAway = !api.isReachable.value && world.time.nowMs - api.isReachable.sinceMs >= LIST_SHARED_MS;
  found.add(!shape.isStandalone && isAway, "the API server cannot be reached", api.isReachable);
  for (const unit of host.units) found.add(unit.isPresent.value && !unit.isReadable.value, `${unit.kernelName} cannot be read`, unit.isReadable);
}

function againstFunction(world: World, { fn, unit }: { fn: HostFunction; unit: ModuleUnit }, found: Objections): void {
  if (!fn.isPresent.value) return;
  const aged = (fact: Age): Age => sinceBelow(world, fn, { regBase: unit.regBase, fact });
  found.add(fn.isSeenOpen, `${fn.address} is open`, aged(youngest(fn.opens, fn.areOpensShown)));
  found.add(fn.isBound.value, `${fn.address} is bound to a TD`, aged(fn.isBound));
  found.add(fn.link.value !== "Off", `the link of ${fn.address} is secured`, aged(fn.link));
  found.add(!fn.isLinkReadable.value, `the link of ${fn.address} cannot be read`, aged(fn.isLinkReadable));
  found.add(!fn.isTsmFree.value, `reading tsm/ of ${fn.address} blocks`, aged(fn.isTsmFree));
  found.add(!fn.isBoundReadable.value, `tsm/bound of ${fn.address} cannot be read`, aged(fn.isBoundReadable));
  found.add(!fn.areHoldersReadable.value, `the holders of ${fn.address} cannot be read`, aged(fn.areHoldersReadable));
}

function againstHeld(
  { world, process, target }: Pick<ClearEvidence, "world" | "process" | "target">,
  found: Objections,
  sinceOf: (pod: Pod) => Age,
): void {
  const addresses = new Set(world.host.below(target.regBase).map((fn) => fn.address));
  heldObjections({ world, process, addresses }, found, sinceOf);
}

/** Pods that have one of these devices, as far as anything shows it. */
export function heldObjections(
  { world, process, addresses: below }: Pick<ClearEvidence, "world" | "process"> & { readonly addresses: ReadonlySet<string> },
  found: Objections,
  sinceOf: (pod: Pod) => Age,
): void {
  const { api, kubelet, shape } = world;
  for (const pod of api.pods) {
    if (pod.stage !== "Held") continue;
    // A yes of PreStart counts for the settling time, which begins anew then; of another process, all that holds is that time of this one.
    const sureMs = Math.max(shape.settleMs, KUBELET_SHOWS_MS) * (pod.startedBy === process.number ? 2 : 1);
    const isYoung = world.time.nowMs - pod.startedMs < sureMs;
    const isAbout = has("slowStarts") && pod.isOpening && isYoung && pod.ids.some((id) => below.has(id));
    found.add(isAbout, `${pod.name} is about to open a device below`, sinceOf(pod));
    // Without its object in the API nothing shows a pod that is on its way out and has nothing open that is there. Without an API server its process
    // does, to an agent that had seen it in kubelet's checkpoint.
    const isOpen = pod.isRunning && pod.ids.every((id) => pod.opened.some((fn) => fn.address === id && fn.isPresent.value && fn.areOpensShown.value));
    const isShown = shape.isStandalone ? pod.hasProcess && pod.knownTo === process.number : pod.isInApi && !isOverForAll(pod);
    const isUnseen = pod.isTerminating ? !isShown : (kubelet.isBlind || pod.isForgotten) && isOverForAll(pod);
    if (isUnseen && !isOpen) continue;
    found.add(
      pod.ids.some((id) => below.has(id)),
      `${pod.name}${pod.isTerminating ? ", terminating," : ""} has a device below`,
      sinceOf(pod),
    );
  }
  // Void or not: what it was given for may still run. It goes by Unprepare, or when neither claim nor pod is there any more.
  for (const { file, since } of world.dra?.folder.files.values() ?? []) {
    const isHere = file.bootId === `boot-${world.host.bootId}` && file.devices.some(({ address }) => below.has(address));
    found.add(isHere, `claim ${file.name} is prepared with a device below`, since);
  }
}

/** Its phase is final, whoever wrote it, and none of its containers runs. */
export function isOverForAll({ phase, isRunning }: Pod): boolean {
  return phase === "Succeeded" && !isRunning;
}

/** A container runtime resolves a CDI name without asking: it goes before its unit is cleared. */
function againstSpecs({ world, target }: ClearEvidence, found: Objections): void {
  const below = new Set(world.host.below(target.regBase).map((fn) => fn.address));
  for (const { id } of specsInPlace(world)) found.add(below.has(id), `${id} still has a CDI spec`, EVER);
}

function againstOthers({ world, target }: Pick<ClearEvidence, "world" | "target">, found: Objections): void {
  for (const fn of world.host.functions) {
    const other = mayBeBelow(world, fn, target.regBase) ? knownToBeTaken(world, fn) : null;
    if (other !== null && !world.kubelet.isBlind) found.add(true, `another plugin's pod has ${fn.address}`, youngest(other.since, fn.isOnVfio));
  }
}

/** So old a list of the API's pods may be: what a later pod could be given was withdrawn by then. */
const LIST_SHARED_MS = 2_000;

function againstPods({ world, process, target }: ClearEvidence, found: Objections): void {
  const { api, host, kubelet, shape, time } = world;
  const below = new Set(host.below(target.regBase).map((fn) => fn.address));
  againstHeld({ world, process, target }, found, () => EVER);
  const asked = new Set((process.intent.value?.intent?.resources ?? []).map((rule) => rule.name));
  for (const pod of api.pods) {
    const mayHold = pod.isInApi && pod.stage === "Waiting" && asked.has(pod.resource) && time.nowMs - pod.since.sinceMs >= LIST_SHARED_MS;
    found.add(!shape.isStandalone && mayHold, `${pod.name} waits for a device, and nobody can tell which`, pod.since);
  }
  for (const [resource, { server }] of kubelet.endpoints) {
    const listed = server?.process === process.number ? kubelet.healthy(resource).filter((id) => below.has(id)) : [];
    found.add(listed.length > 0, `kubelet still has ${listed.join(" ")} to give away`, EVER);
  }
  if (world.dra !== null) againstClaims(world.dra, below, found);
}

/** What the scheduler has given away, or still may. */
function againstClaims({ api }: DraWorld, below: ReadonlySet<string>, found: Objections): void {
  for (const { value, sinceTick, sinceMs } of api.claims.state.items.values()) {
    const isUsed = value.allocation?.node === api.node && value.reservedFor.length > 0;
    const has = isUsed && value.allocation?.devices.some(({ device }) => below.has(addressOfDraDevice(device) ?? ""));
    found.add(has === true, `claim ${value.name} is allocated a device below`, { sinceTick, sinceMs });
  }
  for (const { value } of api.pools.state.items.values()) {
    const free = isOurs(value) ? value.pool.devices.filter(({ address, taints }) => below.has(address) && taints.length === 0) : [];
    found.add(free.length > 0, `the scheduler still has ${free.map(({ address }) => address).join(" ")} to give away`, EVER);
  }
}

/** Who has no settling time waits so long all the same: only then does kubelet show what it was answered. */
const KUBELET_SHOWS_MS = 2_000;

function againstHaste({ world, process, target, busy, answeredMs }: ClearEvidence, found: Objections): void {
  const { time, shape, kubelet, host } = world;
  const isYoung = (sinceMs: number, settleMs = shape.settleMs): boolean => time.nowMs - sinceMs < settleMs;
  found.add(isYoung(process.startedMs), "the agent has just started", EVER);
  found.add(shape.hasKubelet && isYoung(kubelet.startedMs), "kubelet has just started", EVER);
  found.add(isYoung(busy.sinceMs), "a view has just shown it busy", busy);
  for (const fn of host.below(target.regBase))
    found.add(
      isYoung(answeredMs.get(fn.address) ?? Number.NEGATIVE_INFINITY, Math.max(shape.settleMs, KUBELET_SHOWS_MS)),
      `${fn.address} was just given away`,
      EVER,
    );
}
