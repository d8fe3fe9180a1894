// SPDX-License-Identifier: Apache-2.0

/**
 * The plan of drivers: which function is to be given vfio-pci, or its own driver back, now. Pure, and as with units and links a step is carried out only
 * after the same function has said so again on a fresh view (agent/bind-steps.ts).
 *
 *   Vfio: the missing vfio device is all that keeps the device from being offered, and nobody has it.
 *   Native: the gate is closed by the spec; the device is withdrawn and free in every view for the settling time, as before a CLEAR.
 */
import { nextBindMs } from "../binds/error.ts";
import { bindWish, usesOfOne, VFIO_PCI } from "../binds/wish.ts";
import type { BindTarget } from "../binds/work.ts";
import type { Address, Binding, PciFunction } from "../device.ts";
import { gateInputsOn } from "../gate/basis.ts";
import { judge } from "../gate/gate.ts";
import { BIND_RULES } from "../gate/rule-sets.ts";
import { inSlot, slotOf } from "../ground.ts";
import { settledAtMs } from "../kubelet-settling.ts";
import { describeUses } from "../use.ts";
import type { BindVerdict } from "./bind-step.ts";
import type { PlanInputs } from "./finding.ts";

interface BindFacts extends PlanInputs {
  readonly fn: PciFunction;
  readonly to: BindTarget;
}

type BindFinding = Omit<BindVerdict, "address">;

const AT_REST: BindFinding = { step: null, message: "", wakeAtMs: null };
const LOOK_AGAIN_MS = 2_000;

export function planBinds(inputs: PlanInputs): readonly BindVerdict[] {
  if (!inputs.intent?.resources.some(({ driver }) => driver.bind !== "Keep")) return [];
  return [...inputs.ground.functions.keys()].flatMap((address) => planBind(inputs, address) ?? []);
}

/** Null: the function is not there, or has the driver that it should have. */
export function planBind(inputs: PlanInputs, address: Address): BindVerdict | null {
  const fn = inputs.ground.functions.get(address);
  const to = fn === undefined ? null : bindWish(inputs.intent, fn);
  return fn === undefined || to === null ? null : { address, ...find({ ...inputs, fn, to }) };
}

function find(facts: BindFacts): BindFinding {
  const { fn, to, memory, ground } = facts;
  if (memory.bindWork.running.has(fn.address)) return AT_REST;
  const { binding } = fn;
  if (binding === null) return later(facts, "what uses it has not been read yet");
  const obstacle = obstacleOf(binding) ?? linkObstacle(facts) ?? (to === "Vfio" ? vfioObstacle(facts) : nativeObstacle(facts));
  if (obstacle !== null) return obstacle === "" ? AT_REST : later(facts, obstacle);
  const failure = memory.bindWork.failures.get(fn.address);
  const dueMs = Math.max(failure === undefined ? 0 : nextBindMs(failure), to === "Native" ? settledMs(facts) : 0);
  if (ground.view.nowMs < dueMs) return { ...AT_REST, message: failure?.problem ?? "", wakeAtMs: dueMs };
  return { ...AT_REST, step: { kind: "Bind", address: fn.address, to } };
}

/** What keeps a driver from being changed, whichever way. The gate has a reason for each where the device could be offered. */
function obstacleOf({ override, virtualFunctions, users, problem }: Binding): string | null {
  if (problem !== "") return problem;
  if (override !== "" && override !== VFIO_PCI) return `driver_override is ${override}, which is not this agent's`;
  if (virtualFunctions > 0) return `it has ${virtualFunctions} virtual functions (sriov_numvfs)`;
  return users.length > 0 ? users.slice(0, 3).join("; ") : null;
}

/** Its session ends with the driver's reset. */
function linkObstacle({ fn, ground, memory }: BindFacts): string | null {
  const slot = slotOf(ground, fn);
  if (slot === undefined || memory.linkWork.writing?.owner === slot.owner) return "its link is being written";
  return slot.link.state === "Secure" && slot.owner === fn.address ? "its link is secured" : null;
}

/** Empty: the gate says it. */
function vfioObstacle({ fn, ground, memory, intent }: BindFacts): string | null {
  const inputs = gateInputsOn({ intent, driver: ground.view.driver, memory }, "List");
  if (!judge(inputs(fn.address, inSlot(ground, fn.address)), BIND_RULES).offered) return "";
  if (fn.holders.kind === "Unreadable") return `its holders cannot be read: ${fn.holders.why}`;
  if (fn.holders.pids.length > 0) return `it is open in pid ${fn.holders.pids[0]}`;
  if (fn.bound !== "No") return fn.bound === "Yes" ? "it is bound to a TD (tsm/bound)" : "tsm/bound cannot be read";
  return memory.holds.has(fn.address) ? "a pod has it, or had it a moment ago" : null;
}

function nativeObstacle(facts: BindFacts): string | null {
  const { fn, ground, memory } = facts;
  const listed = ground.view.publications.find(({ ids }) => ids.includes(fn.address));
  if (listed !== undefined) return `kubelet still lists it as ${listed.resource}`;
  const uses = usesOfOne(facts, fn);
  if (uses.length > 0) return describeUses(uses);
  return memory.bindWork.freeSince.has(fn.address) ? null : "it is not known to be free yet";
}

function settledMs({ fn, ground, memory }: BindFacts): number {
  return settledAtMs(memory, ground.view.podResources, memory.bindWork.freeSince.get(fn.address) ?? ground.view.nowMs);
}

function later({ ground }: BindFacts, message: string): BindFinding {
  return { ...AT_REST, message, wakeAtMs: ground.view.nowMs + LOOK_AGAIN_MS };
}
