// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../runtime/clock.ts";
import { runWithDeadline } from "../../runtime/deadline.ts";
import { messageOf } from "../../runtime/errors.ts";
import type { NodePod, NodePodsPort } from "../port.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { againWhenGone, pagesOf } from "../watch/pages.ts";
import { podFrom } from "./pod.ts";

/** All pages together. Only a decision that frees something waits for this view. */
const DEADLINE_MS = 10_000;

/**
 * The node's pods straight from etcd: without resourceVersion a list is a quorum read, because a cached view may miss a pod that was just bound.
 * A page is projected before the next one is asked for, so that what other pods bring along is never in memory at once. Anything that goes wrong is
 * Unreadable, which counts as in use.
 */
export function createNodePods(client: ApiClient, node: string, clock: Clock): NodePodsPort {
  const list = async (domains: ReadonlySet<string>, signal: AbortSignal): Promise<NodePod[]> => {
    const request = { path: "/api/v1/pods", query: { fieldSelector: `spec.nodeName=${node}` }, deadlineMs: DEADLINE_MS, signal };
    const pods: NodePod[] = [];
    for await (const { items } of pagesOf(client, request)) {
      pods.push(...items.map((item) => podFrom(item, domains)).filter((pod) => pod !== null));
    }
    return pods;
  };
  return {
    isLocal: false,
    async observe(domains) {
      const work = (signal: AbortSignal): Promise<NodePod[]> => againWhenGone(() => list(domains, signal));
      try {
        return { kind: "Read", domains, pods: await runWithDeadline(work, { clock, ms: DEADLINE_MS, what: "listing the node's pods" }) };
      } catch (thrown) {
        return { kind: "Unreadable", why: messageOf(thrown) };
      }
    },
  };
}
