// SPDX-License-Identifier: Apache-2.0

/**
 * What a claim is told while its pod waits to be bound (binding conditions, KEP-5007): that the link of a device is secured, or that the pod is to go
 * elsewhere. Follows from what is observed, never from an attempt. A hint to the scheduler; the gate is asked again when the claim is prepared. Pure.
 */
import type { Address } from "../device.ts";
import type { Verdict } from "../gate/inputs.ts";
import { WAITED_FOR_BY_CLAIM } from "../gate/rule-sets.ts";
import type { ClaimCondition, ClaimDevice, NodeClaim } from "./claim.ts";
import { addressOf } from "./holds.ts";
import { LINK_FAILED, LINK_SECURED } from "./names.ts";

export interface ConditionInputs {
  readonly claim: NodeClaim;
  /** The gate's answer to the preparation of this claim. */
  readonly judge: (address: Address) => Verdict;
  /** The API server shows a taint on the device: without it the scheduler would give the same device to the same pod again. */
  readonly isTainted: (address: Address) => boolean;
  /** RFC 3339, whole seconds. */
  readonly nowIso: string;
}

export interface DeviceConditions {
  readonly pool: string;
  readonly device: string;
  readonly conditions: readonly ClaimCondition[];
}

/** The conditions of all its devices that wait for one; null when the claim says them already, or nothing waits. */
export function claimConditions(inputs: ConditionInputs): readonly DeviceConditions[] | null {
  const { claim, isTainted } = inputs;
  const waiting = claim.devices.filter(({ bindingConditions }) => bindingConditions.includes(LINK_SECURED));
  if (waiting.length === 0 || claim.reservedFor.length === 0) return null;
  // Said once, it stays: another pod may share the claim, and the scheduler would take it for lost.
  if (waiting.every((device) => stateOf(device, LINK_SECURED) === "True")) return null;
  const judged = waiting.map((device) => ({ device, verdict: verdictOf(device, inputs) }));
  const failed = judged.find(({ device, verdict }) => isFailed(verdict) && isTainted(addressOf(device) ?? ""));
  // The scheduler looks at the first device that is not ready, and at no other: a failure is said of each.
  const next = judged.map(({ device, verdict }) => conditionsOf(device, verdict, { failed: failed?.verdict ?? null, nowIso: inputs.nowIso }));
  const isSame = next.every(({ conditions }, index) => JSON.stringify(conditions) === JSON.stringify(ours(judged[index]?.device)));
  return isSame ? null : next;
}

function verdictOf(device: ClaimDevice, { judge }: ConditionInputs): Verdict | null {
  const address = addressOf(device);
  return address === null ? null : judge(address);
}

/** Closed for a reason that does not end by itself. */
function isFailed(verdict: Verdict | null): verdict is Verdict {
  return verdict !== null && !verdict.offered && !WAITED_FOR_BY_CLAIM.has(verdict.reason);
}

function conditionsOf(
  device: ClaimDevice,
  verdict: Verdict | null,
  { failed, nowIso }: { readonly failed: Verdict | null; readonly nowIso: string },
): DeviceConditions {
  const conditions: ClaimCondition[] = [];
  if (stateOf(device, LINK_SECURED) === "True" || verdict?.offered === true)
    conditions.push(condition(device, nowIso, { type: LINK_SECURED, reason: "LinkSecured", message: "the link is secured" }));
  if (failed !== null || stateOf(device, LINK_FAILED) === "True")
    conditions.push(
      condition(device, nowIso, { type: LINK_FAILED, reason: failed?.reason ?? "Withheld", message: failed === null ? "" : textOf(failed) }),
    );
  return { pool: device.pool, device: device.device, conditions };
}

/** `status.devices[].conditions[].message` takes 32,768 bytes; a person reads less. */
const LONGEST_TEXT = 1_024;

function textOf({ address, reason, message }: Verdict): string {
  return `${address}: ${reason}${message === "" ? "" : `, ${message}`}`.slice(0, LONGEST_TEXT);
}

/** What was true stays as it was said: not even its message changes. */
function condition({ conditions }: ClaimDevice, nowIso: string, said: Pick<ClaimCondition, "type" | "reason" | "message">): ClaimCondition {
  const before = conditions.find(({ type }) => type === said.type);
  return before?.status === "True" ? before : { ...said, status: "True", lastTransitionTime: nowIso };
}

function stateOf({ conditions }: ClaimDevice, type: string): ClaimCondition["status"] | null {
  return conditions.find((one) => one.type === type)?.status ?? null;
}

function ours(device: ClaimDevice | undefined): readonly ClaimCondition[] {
  return [LINK_SECURED, LINK_FAILED].flatMap((type) => device?.conditions.find((one) => one.type === type) ?? []);
}
