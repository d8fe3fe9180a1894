// SPDX-License-Identifier: Apache-2.0
import type { PodResourcesView } from "./view.ts";

/** For about a second after its start kubelet answers success and empty (seen on 1.37): no settling time is shorter than that. */
export function kubeletSettleMs(settleMs: number): number {
  return Math.max(settleMs, KUBELET_EMPTY_MS);
}

/**
 * For how long what podresources does not show may be held all the same: kubelet shows a pod some time after it has our answer.
 * Where there is no kubelet the configured time is enough.
 */
export function unseenMs(settleMs: number, podResources: PodResourcesView): number {
  return podResources.kind === "None" ? settleMs : kubeletSettleMs(settleMs);
}

/** When what has been free since `sinceMs` may be taken: the settling time counts from then, from the agent's start, and from the first sight of this kubelet (I5). */
export function settledAtMs(
  { startedMs, settleMs }: { readonly startedMs: number; readonly settleMs: number },
  podResources: PodResourcesView,
  sinceMs: number,
): number {
  const ownMs = Math.max(sinceMs, startedMs) + settleMs;
  return podResources.kind === "Read" ? Math.max(ownMs, podResources.kubeletSinceMs + kubeletSettleMs(settleMs)) : ownMs;
}

const KUBELET_EMPTY_MS = 2_000;
