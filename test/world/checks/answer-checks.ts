// SPDX-License-Identifier: Apache-2.0

/** Every yes of the agent to kubelet, and every sandbox that a runtime makes without asking: what is given, and to whom. */
import type { AgentProcess } from "../life/agent-process.ts";
import type { Yes } from "../life/witness.ts";
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { Pod } from "../models/pod.ts";
import { has } from "../runs/capabilities.ts";
import { type CheckTools, refute } from "./check-tools.ts";
import { youngest } from "./setup-rules.ts";

/** A scan for holders may be so old when a device is given away. */
const SCAN_IS_GOOD_MS = 1_000;

export function checkAnswer(tools: CheckTools, process: AgentProcess, yes: Yes): void {
  const { world, violate } = tools;
  const { call, resource, ids, arrivedTick, pod } = yes;
  for (const id of ids) {
    refute(tools, { name: call, id }, tools.against(process, id, resource, call), arrivedTick);
    checkContent(tools, yes, id);
    const fn = world.host.find(id);
    const unit = world.module.find(fn?.regBase ?? "");
    if (process.handle?.clearing.has(fn?.regBase ?? "")) violate(call, `${id}: yes after a CLEAR of its unit was asked for`);
    if (call === "PreStart" && fn !== null && world.links.askedBy(process) === (fn.linkOwner ?? fn).address)
      violate(call, `${id}: yes while its link is being written`);
    if (unit?.state === "Clearing") violate(call, `${id}: yes while its unit is being cleared`);
    if (call === "Allocate") checkGift(tools, process, yes, id);
    else if (unit && pod.spans.get(id) !== unit.trust.value && unit.trust.sinceTick < arrivedTick)
      violate(call, `${id}: ${pod.name} was given it in another span of trust`);
  }
}

/** What is given away is in no other hands. */
function checkGift({ world, violate }: CheckTools, process: AgentProcess, { pod, resource, arrivedTick }: Yes, id: string): void {
  // Whoever gave it away knows, whatever podresources shows meanwhile.
  const other = world.api.pods.find((one) => one !== pod && one.stage === "Held" && !one.isTerminating && one.ids.includes(id));
  if (other?.givenBy === process.number) violate("Allocate", `${id}: ${other.name} has it`);
  if (!isProven(world, resource, id)) violate("Allocate", `${id}: the next process will not know of it`);
  const fn = world.host.find(id);
  if (!has("checkpoints") || fn === null || !fn.areHoldersReadable.value || !fn.isSeenOpen) return;
  // It may have been opened, or shown, since the last scan, and that may have been a moment ago.
  const since = youngest(fn.opens, fn.areOpensShown);
  const isOld = since.sinceTick < arrivedTick && world.time.nowMs - since.sinceMs > SCAN_IS_GOOD_MS;
  if (isOld) violate("Allocate", `${id}: a process has it open`);
}

/** The newest line of the proof file about the device says that it was given under that name. */
function isProven({ proofs }: World, resource: string, id: string): boolean {
  const line = proofs.lines?.findLast((one) => one.startsWith(`["hold","${id}"`));
  return line?.includes(`"${resource}"`) === true;
}

/** What is given is the device that was asked for, by its node and by its CDI name; what was given is still it. */
function checkContent({ world, violate }: CheckTools, { call, resource, arrivedTick, pod, given }: Yes, id: string): void {
  const { host, shape, specs } = world;
  const fn = host.find(id);
  if (shape.isSimulated || fn === null || fn.node.sinceTick >= arrivedTick || !has("renumbers")) return;
  const nodes = given === null ? pod.nodes.get(id) : given.find((one) => one.id === id)?.deviceNodes;
  if (nodes?.[0] !== fn.node.value) violate(call, `${id}: it is ${fn.node.value}, and ${nodes?.[0] ?? "nothing"} is given`);
  const named = specs.nodes.get(`${resource}=${id}`);
  if (named !== undefined && named[0] !== fn.node.value) violate(call, `${id}: it is ${fn.node.value}, and its CDI name gives ${named[0]}`);
}

const SPECS_AGAIN_MS = 11_000;

/** A sandbox that was made from the specs in place, while an agent ran that could have removed them. */
export function checkSandbox(tools: CheckTools, pod: Pod, functions: readonly HostFunction[]): void {
  const { process, specs, quiet } = tools.world;
  const isWatched = process !== null && !process.isStopping && process.intent.value !== null && process.startedTick < quiet.tick;
  // A spec that could not be removed is tried again a little later.
  const isTriedAgain = specs.areWritable.sinceTick >= 0 && tools.world.time.nowMs - specs.areWritable.sinceMs < SPECS_AGAIN_MS;
  if (!has("sandboxes") || !isWatched || !specs.areWritable.value || isTriedAgain) return;
  const name = "a new sandbox";
  for (const fn of functions) {
    const { address: id } = fn;
    if (!pod.ids.includes(id)) {
      // Nobody has told the agent of what is not loud.
      if (fn.node.loud && fn.node.sinceTick < quiet.tick) tools.violate(name, `${pod.name} has opened ${id} instead of ${pod.ids.join(" ")}`);
      continue;
    }
    // Nobody asks the agent: what wakes it by its timer only is known that late, and not while it is stopped.
    const { observeEveryMs } = tools.world.shape;
    const known = tools.against(process, id, pod.resource).filter((one) => one.isLoud || quiet.ms - one.sinceMs > observeEveryMs);
    refute(tools, { name, id }, known, quiet.tick);
  }
}
