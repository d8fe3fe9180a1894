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

const KUBELET_EMPTY_MS = 2_000;
