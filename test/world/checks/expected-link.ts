// SPDX-License-Identifier: Apache-2.0

/** What links must be like on a quiet node whose links are the agent's to write: the checker's own statement, from the models' truth. */
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { Pod } from "../models/pod.ts";
import { isClaimed } from "./expected-ledger.ts";
import { isSelected } from "./setup-rules.ts";

/** What has failed may be tried again that late. */
const TRIED_AGAIN_MS = 310_000;

export function linkComplaints(world: World): readonly string[] {
  const { api, host, kubelet, links, process, shape, specs, time } = world;
  const intent = process?.intent.value?.intent ?? null;
  if (intent?.link.enable !== "OnPrepare" || links.faults.length > 0 || links.isBusy) return [];
  // A spec that cannot be removed gives its device away.
  if (!specs.areWritable.value) return [];
  if (!host.isReadable.value || !host.isTsmFree.value) return [];
  if (shape.hasKubelet && (!kubelet.isAnswering.value || kubelet.isBlind)) return [];
  if (!shape.isStandalone && !api.isReachable.value) return [];
  // One whose devices nobody can tell may have any.
  if (api.pods.some((pod) => pod.isInApi && (pod.isTerminating || pod.isForgotten || pod.stage === "Waiting" || pod.stage === "Admitting")))
    return [];
  if (kubelet.others.length > 0) return [];
  // An agent that never saw a device on the bus cannot tell whose virtual function it is.
  const isUnplaced = api.pods.some((pod) => pod.isAlive && pod.givenBy !== process?.number && pod.ids.some((id) => !host.find(id)?.isPresent.value));
  if (isUnplaced) return rationComplaints(world);
  return [
    ...rationComplaints(world),
    ...host.functions.flatMap((fn) => {
      if (time.nowMs - (links.failedMs.get(fn.address) ?? Number.NEGATIVE_INFINITY) < TRIED_AGAIN_MS) return [];
      if (fn.linkOwner !== null || (fn.link.value !== "Tsm" && fn.link.value !== "Broken")) return [];
      const onSlot = host.functions.filter((one) => one === fn || one.linkOwner === fn);
      const isOurs = onSlot.some((one) => isTaken(world, one) && one.regBase !== null && isSelected(intent, one.regBase));
      return isOurs && onSlot.every((one) => isSeenFree(world, one)) ? [`nobody uses ${fn.address}, and its link is ${fn.link.value}`] : [];
    }),
  ];
}

/** While streams are left devices of as many slots are offered, and no more. */
function rationComplaints(world: World): readonly string[] {
  const { api, host } = world;
  if (host.streamsLeft === null) return [];
  // Who was given a device is to get a stream, also while something keeps it from that. Nobody can tell whether a link that cannot be read has one.
  const given = host.functions.filter((fn) => fn.isPresent.value && (api.pods.some((pod) => isPromised(world, pod, fn)) || isStillInHand(world, fn)));
  const waitingForLink = new Set(given.map((fn) => fn.linkOwner ?? fn).filter((owner) => owner.link.value === "Off" || !owner.isLinkReadable.value));
  const left = Math.max(0, host.streamsLeft - waitingForLink.size);
  const isFree = (address: string): boolean => {
    const fn = host.find(address);
    // Who still has it from before a reboot, or has been seen free of it, gets no stream for it: it is offered, and counts as such.
    return fn !== null && (fn.linkOwner ?? fn).link.value === "Off" && !waitingForLink.has(fn.linkOwner ?? fn);
  };
  const slotsOf = (...reasons: readonly string[]): ReadonlySet<string> =>
    new Set(
      (api.status?.devices ?? [])
        // Of DRA's devices all are listed: the scheduler gives streams away by the counters of the slices.
        .filter((one) => one.ledger !== "DRA" && reasons.includes(one.reason) && isFree(one.address))
        .flatMap(({ address }) => (host.find(address)?.linkOwner ?? host.find(address))?.address ?? []),
    );
  // What waits for nothing but that proofs can be written has its stream already: lists do not change with it.
  const [offered, waiting] = [slotsOf("Offered", "ProofUnwritable"), slotsOf("NoStreamFree")];
  const complaints: string[] = [];
  if (offered.size > left) complaints.push(`${offered.size} slots are offered, and ${left} streams are left`);
  if (waiting.size > 0 && offered.size < left)
    complaints.push(`${offered.size} slots are offered, ${left} streams are left, and ${waiting.size} wait for one`);
  return complaints;
}

/** It was given to the pod in the span of trust that goes on, and the agent can know that: any other pod never starts with it again, and needs no link. */
function isPromised({ api, module, process }: World, pod: Pod, fn: HostFunction): boolean {
  const trust = module.find(fn.regBase ?? "")?.trust.value ?? null;
  if (trust === null || pod.spans.get(fn.address) !== trust) return false;
  // When a hold ends after its pod follows from what all views have shown, of which the truth alone tells nothing.
  const isHeld = api.status?.devices.some(({ address, usedBy }) => address === fn.address && usedBy?.pod === `default/${pod.name}`);
  // A pod on its way out starts no container any more.
  const mayStart = pod.isAlive && !pod.isTerminating;
  if (mayStart ? !pod.ids.includes(fn.address) : !isHeld) return false;
  return process !== null && (pod.givenBy === process.number || isProven(process.proofsRead, fn.address, trust));
}

/** Its pod is gone, and whoever it was given to in the span of trust that goes on has it on the host: the agent took its hold over at its start. */
function isStillInHand({ module, process }: World, fn: HostFunction): boolean {
  const trust = module.find(fn.regBase ?? "")?.trust.value ?? null;
  return trust !== null && (fn.isBound.value || fn.opens.value > 0) && isProven(process?.proofsRead ?? [], fn.address, trust);
}

/** The last that the proof file says of the device is that it was given away in this span of trust. */
function isProven(lines: readonly string[], address: string, trust: string): boolean {
  const [instance, seq] = trust.split("/");
  const last = lines.findLast((line) => line.startsWith(`["hold","${address}"`));
  return last?.includes(`"${instance}/0x${Number(seq).toString(16)}"`) === true;
}

function isTaken({ api, host }: World, fn: HostFunction): boolean {
  const rules = api.spec.intent?.resources ?? [];
  return host.showsCapable(fn) && rules.some(({ match }) => match.vendors?.includes(fn.vendor) || match.addresses?.includes(fn.address));
}

function isSeenFree(world: World, fn: HostFunction): boolean {
  const { api } = world;
  // Not before the allocation is gone, whoever it is reserved for.
  if (isClaimed(world, fn.address)) return false;
  if (api.pods.some((pod) => pod.isAlive && pod.ids.includes(fn.address))) return false;
  if (!fn.isPresent.value) return true;
  const isReadable = fn.isLinkReadable.value && fn.isBoundReadable.value && fn.areHoldersReadable.value && fn.areOpensShown.value;
  return isReadable && fn.opens.value === 0 && !fn.isBound.value;
}
