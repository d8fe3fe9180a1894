// SPDX-License-Identifier: Apache-2.0

/**
 * What a new process takes over from an earlier one before it has looked at the whole node: the proofs of this boot, and the CDI specs that still hold
 * by them. A container runtime resolves the specs in place all the while, so that all others go before anything slow is read.
 */
import type { PciFunction } from "../domain/device.ts";
import { DEVICE_RULES, judge } from "../domain/gate.ts";
import { unitFacts } from "../domain/ground.ts";
import { type Intent, selectsUnit } from "../domain/intent.ts";
import { functionToJudge } from "../domain/link-reading.ts";
import type { Memory } from "../domain/memory.ts";
import type { Proofs, SpecProof } from "../domain/proofs.ts";
import { addressOfSpec, resourceOfSpec } from "../domain/specs.ts";
import type { Binding, Reading } from "../domain/view.ts";
import type { AgentPorts } from "./ports.ts";

/** What a spec that was taken over is held against. */
export interface KeptBy {
  readonly proofs: Pick<Proofs, "specs" | "lastUnits">;
  readonly binding: Reading<Binding>;
  readonly memory: Memory;
}

/** The specs for which unit, epoch and node are as they were when the spec was written, and for whose device itself the gate is still open. */
export async function specsToKeep(ports: Pick<AgentPorts, "host">, { proofs, binding, memory }: KeptBy): Promise<ReadonlyMap<string, SpecProof>> {
  const still = [...specsInEpoch(proofs, binding)];
  const functions = await Promise.all(still.map(([name]) => ports.host.observeFunction(addressOfSpec(name)).catch(cannotBeRead)));
  const units = unitFacts(binding);
  const isAsWritten = ([name, { node }]: readonly [string, SpecProof], read: PciFunction | null): boolean => {
    const address = addressOfSpec(name);
    const fn = read && functionToJudge(read, { links: memory.links, units });
    const regBase = fn?.unit.kind === "Unit" ? fn.unit.regBase : null;
    if (node === null || fn?.vfioCdev !== node || regBase !== proofs.lastUnits.get(address)) return false;
    return judge({ address, purpose: "List", intent: null, fn, units, bindingProblem: "", memory }, DEVICE_RULES).offered;
  };
  return new Map(still.filter((spec, index) => isAsWritten(spec, functions[index] ?? null)));
}

/** What cannot be read is not as it was. */
const cannotBeRead = (): null => null;

/** What the table, and the intent once it is known, still allow of specs that were taken over. */
export function specsAllowed(
  { specs, lastUnits }: Pick<Proofs, "specs" | "lastUnits">,
  { binding, asked }: { readonly binding: Reading<Binding>; readonly asked: { readonly intent: Intent | null } | null },
): ReadonlyMap<string, SpecProof> {
  const still = specsInEpoch({ specs, lastUnits }, binding);
  if (asked === null) return still;
  const { intent } = asked;
  if (intent?.state !== "Trusted") return new Map();
  const isWanted = (name: string): boolean => {
    const rule = intent.resources.find((one) => one.name === resourceOfSpec(name));
    return rule?.ledger === "DevicePlugin" && selectsUnit(intent, lastUnits.get(addressOfSpec(name)) ?? "");
  };
  return new Map([...still].filter(([name]) => isWanted(name)));
}

/** By the table alone: the device's unit, as it was last seen, is trusted now and has been since the spec was written. */
export function specsInEpoch({ specs, lastUnits }: Pick<Proofs, "specs" | "lastUnits">, binding: Reading<Binding>): ReadonlyMap<string, SpecProof> {
  const units = unitFacts(binding);
  const epochOf = (name: string): string | null => units.get(lastUnits.get(addressOfSpec(name)) ?? "")?.epoch ?? null;
  return new Map([...specs].filter(([name, { epoch }]) => epochOf(name) === epoch));
}
