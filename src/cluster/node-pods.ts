// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../runtime/clock.ts";
import { runWithDeadline } from "../runtime/deadline.ts";
import { messageOf } from "../runtime/errors.ts";
import type { ApiClient } from "./api-client.ts";
import { podFrom } from "./pod.ts";
import type { NodePod, NodePodsPort } from "./port.ts";

const PAGE = "500";
/** All pages together. CLEAR waits for this view; nothing else does. */
const DEADLINE_MS = 10_000;

/**
 * The node's pods straight from etcd: without resourceVersion a list is a quorum read, because a cached view may miss a pod that was just bound.
 * Anything that goes wrong is Unreadable, which counts as in use.
 */
export function createNodePods(client: ApiClient, node: string, clock: Clock): NodePodsPort {
  const page = (token: string): Promise<unknown> => {
    const query = { fieldSelector: `spec.nodeName=${node}`, limit: PAGE, ...(token !== "" && { continue: token }) };
    return client.call({ method: "GET", path: "/api/v1/pods", query, deadlineMs: DEADLINE_MS });
  };
  const all = async (): Promise<NodePod[]> => {
    const pods: NodePod[] = [];
    let token = "";
    do {
      const read = pageOf(await page(token));
      pods.push(...read.items.map(podFrom));
      token = read.token;
    } while (token !== "");
    return pods;
  };
  return {
    async observe() {
      try {
        return { kind: "Read", pods: await runWithDeadline(all, { clock, ms: DEADLINE_MS, what: "listing the node's pods" }) };
      } catch (thrown) {
        return { kind: "Unreadable", why: messageOf(thrown) };
      }
    },
  };
}

function pageOf(body: unknown): { items: readonly unknown[]; token: string } {
  const { items, metadata } = typeof body === "object" && body !== null ? (body as { items?: unknown; metadata?: unknown }) : {};
  if (!Array.isArray(items)) throw new Error("the answer to a list of pods is no list");
  const token: unknown = typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, "continue") : "";
  return { items, token: typeof token === "string" ? token : "" };
}
