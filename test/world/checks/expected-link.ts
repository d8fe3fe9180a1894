// SPDX-License-Identifier: Apache-2.0

/** What links must be like on a quiet node whose links are the agent's to write: the checker's own statement, from the models' truth. */
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
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
function rationComplaints({ api, host }: World): readonly string[] {
  if (host.streamsLeft === null) return [];
  // Who was given a device is to get a stream, also while something keeps it from that.
  const given = host.functions.filter((fn) => api.pods.some((pod) => pod.isAlive && pod.ids.includes(fn.address)));
  const waitingForLink = new Set(given.map((fn) => fn.linkOwner ?? fn).filter((owner) => owner.link.value === "Off"));
  const left = Math.max(0, host.streamsLeft - waitingForLink.size);
  const isFree = (address: string): boolean => {
    const fn = host.find(address);
    return fn !== null && (fn.linkOwner ?? fn).link.value === "Off" && !api.pods.some((pod) => pod.isAlive && pod.ids.includes(address));
  };
  const slotsOf = (reason: string): ReadonlySet<string> =>
    new Set(
      (api.status?.devices ?? [])
        .filter((one) => one.reason === reason && isFree(one.address))
        .flatMap(({ address }) => (host.find(address)?.linkOwner ?? host.find(address))?.address ?? []),
    );
  const [offered, waiting] = [slotsOf("Offered"), slotsOf("NoStreamFree")];
  const complaints: string[] = [];
  if (offered.size > left) complaints.push(`${offered.size} slots are offered, and ${left} streams are left`);
  if (waiting.size > 0 && offered.size < left)
    complaints.push(`${offered.size} slots are offered, ${left} streams are left, and ${waiting.size} wait for one`);
  return complaints;
}

function isTaken({ api, host }: World, fn: HostFunction): boolean {
  const isThere =
    fn.isPresent.value && fn.isTeeCapable && fn.isConfigReadable.value && fn.answers.value && host.showsUnitOf(fn) && fn.isUnitLinked.value;
  return (
    isThere &&
    (api.spec.intent?.resources.some((rule) => rule.match.vendors?.includes(fn.vendor) || rule.match.addresses?.includes(fn.address)) ?? false)
  );
}

function isSeenFree({ api }: World, fn: HostFunction): boolean {
  if (api.pods.some((pod) => pod.isAlive && pod.ids.includes(fn.address))) return false;
  if (!fn.isPresent.value) return true;
  const isReadable = fn.isLinkReadable.value && fn.isBoundReadable.value && fn.areHoldersReadable.value && fn.areOpensShown.value;
  return isReadable && fn.opens.value === 0 && !fn.isBound.value;
}
