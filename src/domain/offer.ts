// SPDX-License-Identifier: Apache-2.0

/** The offer: what kubelet is to be shown, a projection of the gate's verdicts. Never more than the verdicts allow. */
import { accountingOf } from "./accounting.ts";
import { compareAddress } from "./address.ts";
import type { Address } from "./device.ts";
import { gateInputsOn } from "./gate/basis.ts";
import { judge } from "./gate/gate.ts";
import type { Verdict } from "./gate/inputs.ts";
import { type Ground, inSlot } from "./ground.ts";
import { accountedNames } from "./holds.ts";
import type { Intent } from "./intent.ts";
import type { Memory } from "./memory.ts";
import { quietNames } from "./quiet-names.ts";

/** One resource's list, whole, in order of address. */
export interface OfferedResource {
  readonly resource: string;
  readonly devices: readonly { readonly id: Address; readonly healthy: boolean; readonly numaNode: number | null }[];
  /** Registered without PreStart, with an empty list (quiet-names.ts). */
  readonly isQuiet: boolean;
}

/** The gate's verdict on every function on the bus, and on every held device that is no longer there. In order of address. */
export function verdictsFor(intent: Intent | null, ground: Ground, memory: Memory): readonly Verdict[] {
  const inputs = gateInputsOn({ intent, memory, driver: ground.view.driver }, "List");
  const missing = [...memory.holds.keys()].filter((address) => !ground.functions.has(address));
  const verdicts = [...ground.functions.keys()].map((address) => judge(inputs(address, inSlot(ground, address))));
  if (missing.length === 0) return verdicts;
  verdicts.push(...missing.map((address) => judge(inputs(address, null))));
  return verdicts.sort((a, b) => compareAddress(a.address, b.address));
}

/** The same verdicts when only what is written has changed since: those rules come last, so that what was withheld before them stays so. */
export function verdictsAgain(before: readonly Verdict[], intent: Intent | null, ground: Ground, memory: Memory): readonly Verdict[] {
  const inputs = gateInputsOn({ intent, memory, driver: ground.view.driver }, "List");
  return before.map((verdict) => (verdict.offered ? judge(inputs(verdict.address, inSlot(ground, verdict.address))) : verdict));
}

/**
 * The lists to publish. A withheld device is absent; it is listed unhealthy while a pod holds it, so that the pod's status tells. A resource is
 * served from its first device on, and goes on with an empty list for as long as the intent names it.
 */
export function offerFrom(
  intent: Intent | null,
  verdicts: readonly Verdict[],
  { ground, memory }: { readonly ground: Ground; readonly memory: Pick<Memory, "taken" | "holds" | "resources" | "remembered"> },
): readonly OfferedResource[] {
  const heldAs = heldResources(ground);
  const served = new Set(ground.view.publications.filter((p) => p.serving).map((p) => p.resource));
  // Kubelet writes its checkpoint for a list of ours. Where all that is withheld waits for it, nothing would be listed, and nothing written.
  const mustWrite = accountingOf(ground, accountedNames(memory)).kind === "Behind";
  const names = (intent?.resources ?? []).filter((rule) => rule.ledger === "DevicePlugin").map((rule) => rule.name);
  const lists = names
    // Not even devices that pods hold: nothing is registered under another plugin's name.
    .filter((resource) => !memory.taken.has(resource))
    .map((resource) => ({ resource, devices: verdicts.flatMap((verdict) => listed(verdict, resource, heldAs, ground)), isQuiet: false }))
    .filter((offered) => offered.devices.length > 0 || served.has(offered.resource) || mustWrite);
  return [...lists, ...quietNames(memory, intent, ground).map((resource): OfferedResource => ({ resource, devices: [], isQuiet: true }))];
}

function listed(verdict: Verdict, resource: string, heldAs: ReadonlyMap<Address, string>, ground: Ground): OfferedResource["devices"] {
  const numaNode = ground.functions.get(verdict.address)?.numaNode ?? null;
  if (verdict.offered && verdict.resource?.name === resource) return [{ id: verdict.address, healthy: true, numaNode }];
  return heldAs.get(verdict.address) === resource && ground.view.host.kind === "Read" ? [{ id: verdict.address, healthy: false, numaNode }] : [];
}

function heldResources(ground: Ground): ReadonlyMap<Address, string> {
  const { podResources } = ground.view;
  if (podResources.kind !== "Read") return new Map();
  return new Map(podResources.pods.flatMap((pod) => pod.ids.map((id): [Address, string] => [id, pod.resource])));
}
