// SPDX-License-Identifier: Apache-2.0

/** What speaks against a write of a link (I8): the checker's own statement, from the models' truth. */
import { draDeviceName } from "../../../src/domain/dra/names.ts";
import type { LinkWrite } from "../../../src/tsm/port.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import type { World } from "../life/world.ts";
import type { Age } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import { heldObjections } from "./clear-rules.ts";
import { CANNOT_BE_CALLED, EVER, isSelected, type Known, Objections, youngest } from "./setup-rules.ts";

export interface LinkQuestion {
  readonly world: World;
  readonly process: AgentProcess;
  readonly write: LinkWrite;
  readonly isSecuredBefore: (address: string) => boolean;
  /** When a search for holders last showed each function open. */
  readonly shownOpenMs: ReadonlyMap<string, number>;
}

export function linkWriteObjections(question: LinkQuestion): readonly Known[] {
  const { world, process, write } = question;
  const found = new Objections();
  const intent = process.intent.value?.intent ?? null;
  found.add(intent === null || intent.link.enable !== "OnPrepare", "the links are not the agent's to write", process.intent);
  found.add(world.links.askedBy(process) !== null, "it is writing another one", EVER);
  found.add(!world.host.isReadable.value, "the host cannot be read", world.host.isReadable);
  const fn = world.host.find(write.owner);
  if (fn === null) return [{ why: "there is no such function", ...EVER }];
  found.add(!fn.isLinkReadable.value, "its link cannot be read", fn.isLinkReadable);
  const onSlot = world.host.functions.filter((one) => one === fn || one.linkOwner === fn);
  if (write.kind === "Connect") againstConnect(question, { fn, onSlot }, found);
  else againstDisconnect(question, { fn, onSlot }, found);
  return found.list;
}

interface TruthOfSlot {
  readonly fn: HostFunction;
  /** On the bus or not, virtual ones included. */
  readonly onSlot: readonly HostFunction[];
}

/** A link is secured only behind an open gate, and for somebody. */
function againstConnect({ world, process, isSecuredBefore }: LinkQuestion, { fn, onSlot }: TruthOfSlot, found: Objections): void {
  const { module, api } = world;
  const intent = process.intent.value?.intent ?? null;
  found.add(intent?.state !== "Trusted", "the intent is not Trusted", process.intent);
  found.add(world.host.tsms.value !== 1, "no TSM, or more than one, could", world.host.tsms);
  found.add(world.host.streamsLeft === 0, "no stream is left", onSlot.map(({ link }) => link).reduce<Age>(youngest, EVER));
  found.add(module.environment.value !== "Ok", CANNOT_BE_CALLED, module.environment);
  found.add(isSecuredBefore(fn.address), "it was secured before SETUP", fn.link);
  // While it is written its last reading stands: so nobody begins to write what reads otherwise already.
  found.add(fn.link.value !== "Off", "its link is secured already", fn.link);
  for (const one of onSlot) {
    if (!one.isPresent.value) continue;
    const unit = module.find(one.regBase ?? "");
    if (unit === null) found.add(true, `${one.address} is below no unit`, EVER);
    else found.add(unit.trust.value === null, `the unit above ${one.address} is not trusted`, youngest(unit.trust, one.isPresent));
    found.add(intent !== null && one.regBase !== null && !isSelected(intent, one.regBase), "its unit is not selected", process.intent);
  }
  // Whoever was given a device may have ended by now, and a yes that was written down may never have reached kubelet.
  const isClaimed = ({ address }: HostFunction): boolean => world.dra?.api.everAllocated.has(draDeviceName(address)) === true;
  const byPlugin = ({ address }: HostFunction): boolean => isWrittenDown(world, address) || api.pods.some((pod) => pod.spans.has(address));
  const wasGiven = onSlot.some((one) => byPlugin(one) || isClaimed(one));
  found.add(!wasGiven, "nobody was ever given a device of it", EVER);
}

/** Nobody loses a link that secures something: that ends the TDIs of running TDs, and no kernel refuses it. */
function againstDisconnect({ world, process, shownOpenMs }: LinkQuestion, { fn, onSlot }: TruthOfSlot, found: Objections): void {
  const { kubelet, shape, time } = world;
  for (const one of onSlot) {
    if (!one.isPresent.value) continue;
    found.add(one.isBound.value, `${one.address} is bound to a TD`, youngest(one.isBound, one.isPresent));
    found.add(!one.isBoundReadable.value, `tsm/bound of ${one.address} cannot be read`, one.isBoundReadable);
  }
  // Whoever released it meanwhile has ended what there was: the write does nothing.
  found.add(fn.link.value === "Off", "it has no link", fn.link);
  if (fn.link.value === "Off") return;
  // What is lost is repaired under its one user. What does not cover a function secures nothing for it.
  const uncovered = new Set(onSlot.filter(({ isUncovered }) => isUncovered).map(({ address }) => address));
  const isLost = fn.link.value === "Broken";
  const open = onSlot.filter((one) => one.isPresent.value && (one.isSeenOpen || !one.areHoldersReadable.value));
  const sinceOf = (one: HostFunction): Age => [one.opens, one.areOpensShown, one.areHoldersReadable, one.isPresent].reduce<Age>(youngest, EVER);
  // Under its one user, who may be hidden.
  if (isLost) found.add(open.length > 1, "two functions of its slot may be open", open.map(sinceOf).reduce(youngest, fn.link));
  if (isLost) return;
  for (const one of open) found.add(true, `${one.address} is open, or nobody can tell`, sinceOf(one));
  const used = new Set(onSlot.map(({ address }) => address).filter((address) => !uncovered.has(address)));
  heldObjections({ world, process, addresses: used }, found, (pod) => pod.since);
  found.add(shape.hasKubelet && !kubelet.isAnswering.value, "podresources cannot be read", kubelet.isAnswering);
  for (const one of onSlot) {
    const isFresh = time.nowMs - (shownOpenMs.get(one.address) ?? Number.NEGATIVE_INFINITY) < shape.settleMs;
    found.add(isFresh && used.has(one.address), `${one.address} was closed less than the settling time ago`, EVER);
  }
  found.add(time.nowMs - process.startedMs < shape.settleMs, "the agent has just started", EVER);
}

function isWrittenDown({ proofs }: World, address: string): boolean {
  return proofs.lines?.some((line) => line.startsWith(`["hold","${address}"`)) === true;
}
