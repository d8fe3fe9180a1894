// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../runtime/clock.ts";
import { runWithDeadline } from "../../runtime/deadline.ts";
import { isAppError, messageOf } from "../../runtime/errors.ts";
import type { NodePod, NodePodsPort } from "../port.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import { podFrom } from "./pod.ts";

/** Pods of one page. A page that is longer than `PAGE_BYTES` is asked for again in smaller ones: a pod has at most 1.5 MiB (etcd). */
const PAGE = 50;
const PAGE_BYTES = 4 * 1024 * 1024;
/** All pages together. Only a decision that frees something waits for this view. */
const DEADLINE_MS = 10_000;
/** A token that grew old (410) is no fault: the list begins anew, so often. */
const LISTS = 4;
const GONE = 410;

/**
 * The node's pods straight from etcd: without resourceVersion a list is a quorum read, because a cached view may miss a pod that was just bound.
 * A page is projected before the next one is asked for, so that what other pods bring along is never in memory at once. Anything that goes wrong is
 * Unreadable, which counts as in use.
 */
export function createNodePods(client: ApiClient, node: string, clock: Clock): NodePodsPort {
  const page = async (token: string, limit: number): Promise<Page | "TooLong"> => {
    const query = { fieldSelector: `spec.nodeName=${node}`, limit: String(limit), ...(token !== "" && { continue: token }) };
    const bound = limit > 1 ? { maxBytes: PAGE_BYTES } : {};
    try {
      return pageOf(await client.call({ method: "GET", path: "/api/v1/pods", query, deadlineMs: DEADLINE_MS, ...bound }));
    } catch (thrown) {
      if (isAppError(thrown) && thrown.code === "API_ANSWER_TOO_LONG" && limit > 1) return "TooLong";
      throw thrown;
    }
  };
  const list = async (domains: ReadonlySet<string>, signal: AbortSignal): Promise<NodePod[]> => {
    const pods: NodePod[] = [];
    let limit = PAGE;
    for (let token: string | null = ""; token !== null; ) {
      // A list that is given up asks for no more pages: the next one begins within seconds.
      signal.throwIfAborted();
      const read: Page | "TooLong" = await page(token, limit);
      if (read === "TooLong") limit = Math.ceil(limit / 4);
      else {
        pods.push(...read.items.map((item) => podFrom(item, domains)).filter((pod) => pod !== null));
        token = read.next;
      }
    }
    return pods;
  };
  return {
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

/** A part is not the whole, and a token that grew old gives no more: the list begins anew. @throws what `list` throws */
async function againWhenGone<T>(list: () => Promise<T>): Promise<T> {
  for (let left = LISTS - 1; ; left -= 1) {
    try {
      return await list();
    } catch (thrown) {
      if (left === 0 || statusOfError(thrown) !== GONE) throw thrown;
    }
  }
}

interface Page {
  readonly items: readonly unknown[];
  /** Null: it was the last one. */
  readonly next: string | null;
}

function pageOf(body: unknown): Page {
  const { items, metadata } = typeof body === "object" && body !== null ? (body as { items?: unknown; metadata?: unknown }) : {};
  if (!Array.isArray(items)) throw new Error("the answer to a list of pods is no list");
  const token: unknown = typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, "continue") : "";
  return { items, next: typeof token === "string" && token !== "" ? token : null };
}
