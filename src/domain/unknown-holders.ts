// SPDX-License-Identifier: Apache-2.0

/**
 * Devices that are in use on the host while kubelet gives them to no pod. Kubelet would give such a device to the next pod that asks: it forgot the
 * pod that has it (a lost or older checkpoint), or never knew the process that opened it.
 */
import { accountingOf } from "./accounting.ts";
import type { Address, PciFunction } from "./device.ts";
import { holdsOfFiles } from "./dra/holds.ts";
import type { Ground } from "./ground.ts";
import { FORGOTTEN, type Hold, isForgotten } from "./holds.ts";
import { kubeletSettleMs, unseenMs } from "./kubelet-settling.ts";

export interface UnknownHolderInputs {
  readonly settleMs: number;
  readonly holds: ReadonlyMap<Address, Hold>;
  /** As the look before left them. */
  readonly unknownHolders: ReadonlyMap<Address, string>;
  readonly resources: ReadonlySet<string>;
}

/** Who has the function, as far as the host shows it: empty when no process and no TD does. */
export function holderOnHost({ holders, bound }: PciFunction): string {
  if (bound === "Yes") return "a TD (tsm/bound)";
  if (holders.kind === "Known" && holders.pids.length > 0) return `pid ${holders.pids[0]}`;
  return "";
}

/** Devices with a holder that kubelet does not name, although it has run for long enough and no answer of ours is on its way. With the holder. */
export function unnamedHolders({ settleMs, holds }: Pick<UnknownHolderInputs, "settleMs" | "holds">, ground: Ground): ReadonlyMap<Address, string> {
  const { podResources, answers, nowMs } = ground.view;
  const found = new Map<Address, string>();
  if (!isBelieved({ settleMs }, ground)) return found;
  const answerMs = unseenMs(settleMs, podResources);
  const named = new Set(ground.inPods.map(({ address }) => address));
  // Kubelet shows no terminating pod, and a claim stays prepared until its pods have ended.
  for (const address of holdsOfFiles(ground.view).keys()) named.add(address);
  for (const answer of answers) if (nowMs - answer.atMs < answerMs) named.add(answer.address);
  const kubelets = new Map(ground.view.publications.map(({ resource, kubelet }) => [resource, kubelet]));
  const isOfEarlierKubelet = (hold: Hold): boolean => {
    const kubelet = kubelets.get(hold.resource ?? "") ?? null;
    return kubelet !== null && isForgotten(hold, kubelet);
  };
  // An answer that left while this look was taken, and whose pod no view has shown. A device whose pod has ended has nobody on the way to it.
  for (const [address, hold] of holds) {
    const { epoch, pod, freeSinceMs } = hold;
    const isRecent = freeSinceMs !== null && nowMs - freeSinceMs < answerMs;
    if (epoch !== null && pod === "" && isRecent && !isOfEarlierKubelet(hold)) named.add(address);
  }
  for (const fn of ground.functions.values()) {
    const holder = holderOnHost(fn);
    if (holder !== "" && !named.has(fn.address)) found.set(fn.address, holder);
  }
  for (const [address, hold] of holds) if (isOfEarlierKubelet(hold) && !named.has(address) && !found.has(address)) found.set(address, FORGOTTEN);
  return found;
}

/**
 * The same without the devices of terminating pods, which podresources leaves out while their processes end and which kubelet does not give away. A
 * kubelet that does not answer, or has just started, tells nothing new: who was unknown stays so for as long as the host shows a holder.
 */
export function unknownHolders(inputs: UnknownHolderInputs, ground: Ground): ReadonlyMap<Address, string> {
  if (!isBelieved(inputs, ground)) return new Map([...inputs.unknownHolders].filter(([address]) => isStillUnknown(ground, address)));
  const unnamed = unnamedHolders(inputs, ground);
  if (unnamed.size === 0) return unnamed;
  const accounting = accountingOf(ground, inputs.resources);
  return accounting.kind === "Unaccounted" && accounting.pods.some((pod) => pod.terminating) ? new Map() : unnamed;
}

/** Kubelet answers, and has run for long enough to show what its pods have. */
function isBelieved({ settleMs }: Pick<UnknownHolderInputs, "settleMs">, { view: { podResources, nowMs } }: Ground): boolean {
  return podResources.kind === "Read" && nowMs - podResources.kubeletSinceMs >= kubeletSettleMs(settleMs);
}

function isStillUnknown({ functions, inPods }: Ground, address: Address): boolean {
  const fn = functions.get(address);
  const isHeld = fn !== undefined && (fn.holders.kind === "Unreadable" || holderOnHost(fn) !== "");
  return isHeld && !inPods.some((one) => one.address === address);
}
