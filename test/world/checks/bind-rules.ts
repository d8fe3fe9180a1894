// SPDX-License-Identifier: Apache-2.0

/** What speaks against a change of a driver: the checker's own statement, from the models' truth. The kernel refuses none. */
import type { BindChange } from "../../../src/bind/port.ts";
import type { ResourceRule } from "../../../src/domain/intent.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import type { World } from "../life/world.ts";
import type { Age } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import { heldObjections } from "./clear-rules.ts";
import type { Objection } from "./eligibility.ts";
import { EVER, type Known, Objections, youngest } from "./setup-rules.ts";

export interface BindQuestion {
  readonly world: World;
  readonly process: AgentProcess;
  readonly change: BindChange;
  /** Why the device may not be offered under the name of that rule, in its ledger, from the truth. */
  readonly against: (rule: ResourceRule) => readonly Objection[];
  /** When a search for holders last showed each function open. */
  readonly shownOpenMs: ReadonlyMap<string, number>;
}

export function bindObjections(question: BindQuestion): readonly Known[] {
  const { world, process, change } = question;
  const found = new Objections();
  const fn = world.host.find(change.address);
  if (fn === null) return [{ why: "there is no such function", ...EVER }];
  const taker = process.intent.value?.intent?.resources.find(({ match }) => match.vendors?.includes(fn.vendor));
  found.add(taker?.driver.bind !== change.to, `the spec does not say ${change.to}`, process.intent);
  found.add(!["", "vfio-pci"].includes(fn.override.value), "somebody else has set driver_override", fn.override);
  for (const one of world.host.functions)
    found.add(one.physical === fn && one.isPresent.value, "it has virtual functions", youngest(one.isPresent, EVER));
  found.add(fn.isUsedByHost.value, "the host uses it", fn.isUsedByHost);
  found.add(fn.isSeenOpen, "it is open", youngest(fn.opens, fn.areOpensShown));
  found.add(fn.isBound.value, "a TD has it", fn.isBound);
  found.add(!fn.areHoldersReadable.value && !fn.isNative.value, "nobody can tell who has it open", fn.areHoldersReadable);
  if (change.to === "Native") againstNative(question, fn, found);
  const against = change.to === "Vfio" && taker !== undefined ? question.against(taker).filter(({ why }) => why !== "it has no vfio device") : [];
  return [...found.list, ...against];
}

/** Who has been given it loses it. */
function againstNative({ world, process, shownOpenMs }: BindQuestion, fn: HostFunction, found: Objections): void {
  const { kubelet, shape, time } = world;
  heldObjections({ world, process, addresses: new Set([fn.address]) }, found, (pod) => pod.since);
  found.add(shape.hasKubelet && !kubelet.isAnswering.value, "podresources cannot be read", kubelet.isAnswering);
  const isFresh = time.nowMs - (shownOpenMs.get(fn.address) ?? Number.NEGATIVE_INFINITY) < shape.settleMs;
  found.add(isFresh, "it was closed less than the settling time ago", EVER);
  found.add(time.nowMs - process.startedMs < shape.settleMs, "the agent has just started", EVER);
  const isListed = process.plugin?.publications().some(({ ids }) => ids.includes(fn.address)) ?? false;
  found.add(isListed, "kubelet lists it", EVER as Age);
}
