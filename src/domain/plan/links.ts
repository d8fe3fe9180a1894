// SPDX-License-Identifier: Apache-2.0

/**
 * The plan of links: which is to be secured, repaired or released now. Pure, and as with units a step is carried out only after the same function has
 * said so again on a fresher view (agent/link-steps.ts). Only links of slots that are ours to write have a verdict (links/use.ts `isOurs`).
 *
 *   Insecure, wanted ──► Connect ──► Secure ──► free in every view for the settling time ──► Disconnect
 *                            ▲          │ reset, or virtual functions that came later
 *                            └── Disconnect (repair) ◄──┘
 */
import type { Address, PciFunction } from "../device.ts";
import type { NodeClaim } from "../dra/claim.ts";
import { addressOf, claimsOf } from "../dra/holds.ts";
import { LINK_SECURED } from "../dra/names.ts";
import { gateInputsOn } from "../gate/basis.ts";
import { judge } from "../gate/gate.ts";
import { SECURE_FOR_NEW_CLAIM_RULES, SECURE_RULES } from "../gate/rule-sets.ts";
import { type Ground, inSlot } from "../ground.ts";
import type { Intent } from "../intent.ts";
import { settledAtMs } from "../kubelet-settling.ts";
import { nextAttemptMs } from "../links/error.ts";
import { withoutStreamLeft } from "../links/streams.ts";
import { isOurs, repairBlockers, uncoveredOn, usesOfSlot, wantingOn } from "../links/use.ts";
import { repairsOf } from "../links/work.ts";
import type { Memory } from "../memory.ts";
import { linkKey } from "../proofs.ts";
import type { Slot } from "../slot.ts";
import { describeUses } from "../use.ts";
import type { PlanInputs } from "./finding.ts";
import type { LinkStep, LinkVerdict } from "./link-step.ts";

interface SlotFacts {
  readonly intent: Intent;
  readonly ground: Ground;
  readonly memory: Memory;
  readonly slot: Slot;
  readonly onSlot: readonly PciFunction[];
  readonly wanting: readonly PciFunction[];
}

type LinkFinding = Omit<LinkVerdict, "owner" | "isWatched">;

const AT_REST: LinkFinding = { step: null, message: "", blocked: "", wakeAtMs: null };
const LOOK_AGAIN_MS = 2_000;
/** A virtual machine monitor resets a device more than once before it rests (QEMU: at bind, and at the machine's reset). */
const STEADY_MS = 1_000;
/** A guest that reboots in a loop must not keep the one writer of the host busy. */
const MOST_REPAIRS = 3;

export function planLinks(inputs: PlanInputs): readonly LinkVerdict[] {
  if (inputs.intent?.link.enable !== "OnPrepare") return [];
  return [...inputs.ground.slots.values()].flatMap((slot) => planLink(inputs, slot.owner) ?? []);
}

/** Null: the slot is not there, or its link is not ours to write. */
export function planLink({ intent, ground, memory }: PlanInputs, owner: Address): LinkVerdict | null {
  const slot = ground.slots.get(owner);
  if (slot === undefined || !isOurs(intent, ground, slot)) return null;
  const facts = { intent, ground, memory, slot, onSlot: ground.onSlot.get(owner) ?? [], wanting: wantingOn({ ground, memory }, owner) };
  return { owner, isWatched: facts.wanting.length > 0 || slot.link.tsm !== "", ...find(facts) };
}

/** Every step, in the order in which they are carried out: what was repaired often comes last. */
export function linkStepsOf(verdicts: readonly LinkVerdict[], { linkWork }: Pick<Memory, "linkWork">, nowMs: number): readonly LinkStep[] {
  const rank = (step: LinkStep): number => repairsOf(linkWork, step.owner, nowMs).count * 2 + (step.kind === "Connect" ? 0 : 1);
  return verdicts.flatMap(({ step }) => step ?? []).sort((a, b) => rank(a) - rank(b));
}

function find(facts: SlotFacts): LinkFinding {
  const { slot, memory, wanting } = facts;
  const { link, linkRead } = slot;
  if (memory.linkWork.writing?.owner === slot.owner) return AT_REST;
  // A reading that stands is good enough to offer by, not to write by.
  if (link.state === "Unknown" || linkRead.tsm !== "Read") return wanting.length === 0 ? AT_REST : unread(facts);
  if (link.state === "Insecure") return wanting.length === 0 ? AT_REST : connect(facts);
  if (link.tsm === "" || link.streamSecure === "Unknown") return AT_REST;
  return repair(facts) ?? release(facts);
}

/** What stood in the way of a repair does so until the opposite is read. */
function unread(facts: SlotFacts): LinkFinding {
  const { writing, blocked } = facts.memory.linkWork;
  const finding = later(facts, "its link cannot be read now");
  // While this process writes another link nothing of this one can be read; the end of the write wakes it.
  return { ...finding, wakeAtMs: writing === null ? finding.wakeAtMs : null, blocked: blocked.get(facts.slot.owner) ?? "" };
}

function connect(facts: SlotFacts): LinkFinding {
  const { slot, ground, memory } = facts;
  const refusal = refusalOf(facts);
  if (refusal !== null) return later(facts, refusal);
  const [tsm] = slot.tsms;
  if (tsm === undefined || slot.tsms.length > 1) return AT_REST;
  const withoutStream = withoutStreamLeft(slot);
  if (withoutStream !== "") return later(facts, withoutStream);
  const failure = memory.linkWork.failures.get(slot.owner);
  if (failure !== undefined && ground.view.nowMs < nextAttemptMs(failure))
    return { ...AT_REST, message: `securing it failed: ${failure.problem}`, wakeAtMs: nextAttemptMs(failure) };
  return { ...AT_REST, step: { kind: "Connect", owner: slot.owner, tsm } };
}

/** Why the link must not be secured now: the gate of everyone who wants it is closed, or a unit above the slot is not proven trusted. */
function refusalOf({ slot, ground, memory, intent, onSlot, wanting }: SlotFacts): string | null {
  const basis = { intent, driver: ground.view.driver, memory };
  const start = gateInputsOn(basis, "PreStart");
  const verdicts = wanting.map(({ address }) => {
    const [claim] = claimsOf(ground.view, address);
    const inputs = claim === undefined ? start : gateInputsOn({ ...basis, claim: claim.uid }, "Prepare");
    return judge(inputs(address, inSlot(ground, address)), claim !== undefined && isTold(claim, address) ? SECURE_FOR_NEW_CLAIM_RULES : SECURE_RULES);
  });
  const open = verdicts.find(({ offered }) => offered);
  if (open === undefined) return verdicts.map(({ address, reason, message }) => `${address}: ${reason}, ${message}`).join("; ");
  for (const { address, unit } of onSlot) {
    if (unit.kind !== "Unit") return `the unit above ${address} is not known`;
    const epoch = ground.units.get(unit.regBase)?.epoch ?? null;
    if (epoch === null || memory.verifying.has(unit.regBase)) return `unit ${unit.regBase} above ${address} is not trusted`;
  }
  // What is secured without proof that it was insecure after SETUP would be withheld for that.
  return memory.checkedLinks.has(linkKey(slot.owner, open.epoch ?? "")) ? null : "it has not been read insecure since SETUP";
}

/** Its pod is not bound yet. One that is bound has nowhere else to go: its link is tried every five minutes. */
function isTold({ devices }: NodeClaim, address: Address): boolean {
  return devices.some((device) => addressOf(device) === address && device.bindingConditions.includes(LINK_SECURED));
}

/** Null: there is nothing to repair, or nobody wants it. */
function repair(facts: SlotFacts): LinkFinding | null {
  const { slot, ground, memory, wanting } = facts;
  const { owner, link } = slot;
  const { nowMs } = ground.view;
  const isLost = link.streamSecure === "No";
  const uncovered = uncoveredOn(facts, slot);
  if (wanting.length === 0 || (!isLost && uncovered.length === 0)) return null;
  const blockers = isLost ? repairBlockers(facts, owner, wanting) : usersBesides(facts, uncovered);
  if (blockers.length > 0) return { ...later(facts, ""), blocked: blockers.slice(0, 3).join("; ") };
  const failure = memory.linkWork.failures.get(owner);
  const { count, fewerAtMs } = repairsOf(memory.linkWork, owner, nowMs);
  const dueMs = Math.max(
    (memory.linkWork.steady.get(owner)?.sinceMs ?? nowMs) + STEADY_MS,
    count < MOST_REPAIRS ? 0 : fewerAtMs,
    failure === undefined ? 0 : nextAttemptMs(failure),
    isLost ? 0 : settledAtMs(memory, ground.view.podResources, memory.startedMs),
  );
  if (nowMs < dueMs) return { ...AT_REST, message: "it is repaired soon", wakeAtMs: dueMs };
  return { ...AT_REST, step: { kind: "Disconnect", owner, tsm: link.tsm, isRepair: true } };
}

/** Who uses another function of the slot, or has one of these open. */
function usersBesides(facts: SlotFacts, uncovered: readonly PciFunction[]): readonly string[] {
  const uses = usesOfSlot(facts, facts.slot.owner, new Set(uncovered.map(({ address }) => address)));
  return uses.length === 0 ? [] : [describeUses(uses)];
}

/** I8: free in every view for the settling time, whatever the gate says. */
function release(facts: SlotFacts): LinkFinding {
  const { slot, ground, memory } = facts;
  const { owner, link } = slot;
  const freeSinceMs = memory.linkWork.freeSince.get(owner);
  if (freeSinceMs === undefined || usesOfSlot(facts, owner).length > 0) return { ...AT_REST, wakeAtMs: null };
  // Of one that reads secure it was another function's to manage: that keeps it from being connected again, and not from being released.
  const failure = link.streamSecure === "Yes" ? undefined : memory.linkWork.failures.get(owner);
  const dueMs = Math.max(settledAtMs(memory, ground.view.podResources, freeSinceMs), failure === undefined ? 0 : nextAttemptMs(failure));
  if (ground.view.nowMs < dueMs) return { ...AT_REST, wakeAtMs: dueMs };
  return { ...AT_REST, step: { kind: "Disconnect", owner, tsm: link.tsm, isRepair: false } };
}

function later({ ground }: SlotFacts, message: string): LinkFinding {
  return { ...AT_REST, message, wakeAtMs: ground.view.nowMs + LOOK_AGAIN_MS };
}
