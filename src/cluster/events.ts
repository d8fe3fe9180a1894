// SPDX-License-Identifier: Apache-2.0
import { API_VERSION, TRUSTED_IOMMU } from "../api/names.ts";
import type { Random } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import { isAppError } from "../runtime/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { ApiClient } from "./api-client.ts";
import type { NodeEvent } from "./port.ts";

export interface EventQueueOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of the object that events are about; null or empty: unknown. */
  readonly uid: () => string | null;
  /** Called when there is something to send. */
  readonly wake: () => void;
}

export interface EventQueue {
  /** Takes the event unless the same one was taken within ten minutes. The oldest waiting one is dropped when too many wait. */
  add(event: NodeEvent): void;
  /** Sends what waits. @throws API_UNREACHABLE, with the rest still waiting */
  send(): Promise<void>;
}

interface Waiting {
  readonly event: NodeEvent;
  readonly wallMs: number;
}

const MAX_WAITING = 64;
const MAX_REMEMBERED = 256;
const SAME_WITHIN_MS = 600_000;
const DEADLINE_MS = 10_000;
/** Events about cluster-scoped objects live here (kubectl describe looks for them here). */
const PATH = "/apis/events.k8s.io/v1/namespaces/default/events";

/** For people only: nothing waits for an event, and a lost one changes nothing. */
export function createEventQueue(options: EventQueueOptions): EventQueue {
  const waiting: Waiting[] = [];
  const seen = new Map<string, number>();

  const isRepeat = (event: NodeEvent): boolean => {
    const key = JSON.stringify([event.type, event.reason, event.message]);
    const nowMs = options.clock.nowMs();
    const lastMs = seen.get(key);
    if (lastMs !== undefined && nowMs - lastMs < SAME_WITHIN_MS) return true;
    seen.delete(key);
    seen.set(key, nowMs);
    const [oldest] = seen.keys();
    if (seen.size > MAX_REMEMBERED && oldest !== undefined) seen.delete(oldest);
    return false;
  };

  return {
    add(event) {
      if (isRepeat(event)) return;
      waiting.push({ event, wallMs: options.clock.wallMs() });
      if (waiting.length > MAX_WAITING) {
        const dropped = waiting.shift();
        options.log.debug({ reason: dropped?.event.reason }, "event dropped");
      }
      options.wake();
    },
    async send() {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        try {
          await options.client.call({ method: "POST", path: PATH, body: eventObject(next, options), deadlineMs: DEADLINE_MS });
        } catch (thrown) {
          if (!isAppError(thrown) || thrown.code !== "API_REFUSED") throw thrown;
          options.log.warn({ err: thrown, reason: next.event.reason }, "event refused");
        }
        // By identity: the queue may have dropped it while it was sent.
        if (waiting[0] === next) waiting.shift();
      }
    },
  };
}

/** events.k8s.io/v1: note at most 1 KiB, reason, action and reportingInstance at most 128 characters. */
function eventObject({ event, wallMs }: Waiting, { node, random, uid }: EventQueueOptions): unknown {
  const suffix = Math.floor(random() * 2 ** 48).toString(16);
  const object = uid();
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { namespace: "default", name: `${node.slice(0, 200)}.${wallMs.toString(16)}${suffix}` },
    eventTime: new Date(wallMs).toISOString().replace("Z", "000Z"),
    type: event.type,
    reason: event.reason.slice(0, 128),
    action: event.reason.slice(0, 128),
    note: cutBytes(event.message, 1024),
    reportingController: "teeio.dev/trusted-iommu-agent",
    reportingInstance: node.slice(0, 128),
    regarding: { apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, name: node, ...(object !== null && object !== "" && { uid: object }) },
  };
}

/** The first `limit` bytes of UTF-8, without half a character. */
function cutBytes(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= limit ? text : new TextDecoder().decode(bytes.subarray(0, limit - 4)).replace(/\uFFFD+$/, "");
}
