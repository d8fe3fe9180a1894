// SPDX-License-Identifier: Apache-2.0
import type { ClaimsPort } from "../cluster/dra/port.ts";
import type { NodePodsPort } from "../cluster/port.ts";
import type { NodePodsView } from "../domain/view.ts";
import type { Clock } from "../runtime/clock.ts";

const SHARED_MS = 2_000;

/**
 * The API's pods of this node, listed at most once in two seconds: a list serves every decision of the pass that asked for it, and of its steps. So old
 * it is as good as a new one: what a decision frees was withdrawn before, and a pod that has it all the same was bound before that.
 */
export function sharePods(pods: NodePodsPort, clock: Clock): NodePodsPort {
  let last: { readonly domains: ReadonlySet<string>; readonly begunMs: number; readonly view: Promise<NodePodsView> } | null = null;
  return {
    isLocal: false,
    observe(domains, known) {
      const isYoung = last !== null && clock.nowMs() - last.begunMs < SHARED_MS;
      if (last === null || !isYoung || !domains.isSubsetOf(last.domains)) {
        last = { domains, begunMs: clock.nowMs(), view: pods.observe(domains, known) };
      }
      return last.view;
    },
  };
}

/** The claims of this node likewise: each list of them reads those of the whole cluster. */
export function shareClaims(claims: ClaimsPort, clock: Clock): ClaimsPort {
  let last: { readonly begunMs: number; readonly view: ReturnType<ClaimsPort["list"]> } | null = null;
  return {
    current: () => claims.current(),
    onChange: (listener) => claims.onChange(listener),
    get: (claim) => claims.get(claim),
    apply: (claim, devices) => claims.apply(claim, devices),
    list() {
      if (last === null || clock.nowMs() - last.begunMs >= SHARED_MS) last = { begunMs: clock.nowMs(), view: claims.list() };
      return last.view;
    },
  };
}
