// SPDX-License-Identifier: Apache-2.0

/** Tells claims whose pods wait to be bound what became of their links, as the newest pass saw it. */
import { claimConditions } from "../domain/dra/conditions.ts";
import { gateInputsOn } from "../domain/gate/basis.ts";
import { judge } from "../domain/gate/gate.ts";
import { inSlot } from "../domain/ground.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import type { DraPorts } from "./ports.ts";
import type { AgentState, Pass } from "./state.ts";

export interface ConditionParts {
  readonly dra: Pick<DraPorts, "claims" | "slices">;
  readonly state: Pick<AgentState, "memory" | "pass">;
  readonly nowIso: () => string;
}

/** A claim that was deallocated meanwhile is shown by the watch; missing rights look the same. */
const AGAIN_MS = 5_000;

/** One run of the job: every claim that is to be told something. */
export async function tellClaims(parts: ConditionParts): Promise<RunAgain | undefined> {
  const { dra, state } = parts;
  const { pass } = state;
  const claims = dra.claims.current();
  if (pass === null || claims?.kind !== "Read") return undefined;
  let again: RunAgain | undefined;
  for (const claim of claims.value) {
    const devices = claimConditions({
      claim,
      judge: (address) => judge(gateInputsOn(basisOf(pass, state, claim.uid), "Prepare")(address, inSlot(pass.ground, address))),
      isTainted: (address) => isTainted(dra, address),
      nowIso: parts.nowIso(),
    });
    if (devices !== null && (await dra.claims.apply(claim, devices)) === "Over") again = { afterMs: AGAIN_MS };
  }
  return again;
}

function basisOf({ intent, ground }: Pass, { memory }: ConditionParts["state"], claim: string) {
  return { intent, driver: ground.view.driver, memory, kubelet: null, claim };
}

function isTainted({ slices }: ConditionParts["dra"], address: string): boolean {
  const seen = slices.current();
  return seen?.kind === "Read" && seen.value.listed.some((one) => one.address === address && one.taints.length > 0);
}
