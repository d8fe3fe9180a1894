// SPDX-License-Identifier: Apache-2.0

/**
 * What a new process takes over from an earlier one before it has looked at the whole node: the proofs of this boot, and the CDI specs that still hold
 * by them. A container runtime resolves the specs in place all the while, so that all others go before anything slow is read.
 */
import { gateInputsOn } from "../domain/gate/basis.ts";
import { judge } from "../domain/gate/gate.ts";
import { DEVICE_AND_INTENT_RULES, DEVICE_RULES } from "../domain/gate/rule-sets.ts";
import { unitFacts } from "../domain/ground.ts";
import type { Intent } from "../domain/intent.ts";
import { linkContextOf, toJudge } from "../domain/link-reading.ts";
import type { Memory } from "../domain/memory.ts";
import type { SpecProof } from "../domain/proofs.ts";
import type { FunctionInSlot } from "../domain/slot.ts";
import { addressOfSpec, resourceOfSpec } from "../domain/specs.ts";
import type { DriverView, Reading } from "../domain/view.ts";
import type { AgentPorts } from "./ports.ts";
import type { AdoptedSpec, AdoptedSpecs, AgentState } from "./state.ts";

/** What specs that were taken over are held against. */
export interface HeldAgainst {
  readonly driver: Reading<DriverView>;
  /** Begins with what the earlier process proved. */
  readonly memory: Memory;
  /** Null: the source of the intent has not answered yet. */
  readonly asked: { readonly intent: Intent | null } | null;
}

/** Reads the device of each spec; those that may stay. What cannot be read is not as it was. */
export async function specsToKeep(
  ports: Pick<AgentPorts, "host">,
  specs: ReadonlyMap<string, SpecProof>,
  against: HeldAgainst,
): Promise<AdoptedSpecs> {
  const observe = (name: string): Promise<FunctionInSlot | null> => ports.host.observeFunction(addressOfSpec(name)).catch(() => null);
  const read = await Promise.all([...specs].map(async ([name, proof]) => ({ name, proof, seen: await observe(name) })));
  const there = read.flatMap(({ name, proof, seen }) => (seen === null ? [] : [[name, { proof, seen }] as const]));
  return new Map(there.filter(([name, spec]) => isAsWritten(name, spec, against)));
}

/** Reads the devices of specs that were taken over once more. */
export async function keepAdopted(
  ports: Pick<AgentPorts, "host">,
  state: Pick<AgentState, "adopted" | "memory" | "noteAdopted">,
  driver: Reading<DriverView>,
): Promise<void> {
  const specs = new Map([...state.adopted].map(([name, { proof }]) => [name, proof]));
  state.noteAdopted(await specsToKeep(ports, specs, { driver, memory: state.memory, asked: null }));
}

/** What table and intent, as they are known by now, still allow of specs that were taken over. */
export function specsAllowed(adopted: AdoptedSpecs, against: HeldAgainst): ReadonlyMap<string, SpecProof> {
  return new Map([...adopted].flatMap(([name, spec]) => (isAsWritten(name, spec, against) ? [[name, spec.proof] as const] : [])));
}

/** Unit, epoch and node are as they were when the spec was written, and the gate is open as far as it can be judged before the first whole look. */
function isAsWritten(name: string, { proof, seen }: AdoptedSpec, { driver, memory, asked }: HeldAgainst): boolean {
  const address = addressOfSpec(name);
  const units = unitFacts(driver);
  const judged = toJudge(seen, linkContextOf(memory, units));
  const { fn } = judged;
  const regBase = fn.unit.kind === "Unit" ? fn.unit.regBase : null;
  if (proof.node === null || fn.vfioCdev !== proof.node || regBase !== memory.lastUnits.get(address)) return false;
  const inputs = gateInputsOn({ intent: asked?.intent ?? null, driver, memory }, "List");
  const { offered, epoch, resource } = judge(inputs(address, judged), asked === null ? DEVICE_RULES : DEVICE_AND_INTENT_RULES);
  return offered && epoch === proof.epoch && (asked === null || resource?.name === resourceOfSpec(name));
}
