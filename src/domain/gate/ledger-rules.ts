// SPDX-License-Identifier: Apache-2.0

/** The gate's rules about the two ledgers (I7), and about claims. In order. */
import { DRA_DRIVER } from "../dra/names.ts";
import { holderOnHost } from "../unknown-holders.ts";
import type { Facts, Rule } from "./inputs.ts";

export const LEDGER_RULES: readonly Rule[] = [
  {
    // Before the rules about holds of one ledger: it is the other ledger's pod.
    reason: "HeldInOtherLedger",
    passes: (facts) => !isOfOtherLedger(facts),
    read: ({ hold, resource }) => `held as ${hold?.resource ?? "nothing"}${of(hold?.pod)}, ledger ${resource?.ledger ?? "unread"}`,
  },
  {
    // Who was given it already keeps it.
    reason: "LedgerSwitching",
    passes: ({ address, purpose, hold, memory }) => purpose === "PreStart" || hold?.epoch != null || !memory.inOtherLedger.has(address),
    read: ({ address, memory }) => memory.inOtherLedger.get(address) ?? "the other ledger does not have it",
  },
  {
    reason: "OfferedByOther",
    passes: ({ address, purpose, hold, memory }) => purpose === "PreStart" || hold?.epoch != null || !memory.offeredByOthers.has(address),
    read: ({ address, memory }) => memory.offeredByOthers.get(address) ?? "no other DRA driver lists it",
  },
  {
    // The scheduler may have deallocated a claim that kubelet has not unprepared: its containers may run.
    reason: "DeviceBusy",
    passes: ({ purpose, hold, claim }) => purpose !== "Prepare" || hold?.claim == null || hold.claim === claim,
    read: ({ hold }) => (hold?.claim == null ? "no claim has it" : `the claim with UID ${hold.claim} has it`),
  },
  {
    reason: "HeldByOrphan",
    passes: ({ purpose, hold, fn }) => purpose !== "Prepare" || hold === null || hold.claim !== null || fn === null || holderOnHost(fn) === "",
    read: ({ hold, fn }) => (hold === null || fn === null ? "no claim has had it" : holderOnHost(fn) || "nobody has it open"),
  },
];

/** The claim that asks has the device already: what holds it may be its own virtual machine monitor. */
export function isOfAsking({ purpose, hold, claim }: Facts): boolean {
  return purpose === "Prepare" && claim !== null && hold?.claim === claim;
}

/** Held by a pod of ours, under the name that the other ledger gives devices away by. */
function isOfOtherLedger({ hold, resource }: Facts): boolean {
  if (hold?.resource == null || resource === null) return false;
  if (resource.ledger === "DevicePlugin") return hold.resource === DRA_DRIVER;
  return hold.resource === resource.name;
}

const of = (pod: string | undefined): string => (pod === undefined || pod === "" ? "" : ` by pod ${pod}`);
