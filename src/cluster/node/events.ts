// SPDX-License-Identifier: Apache-2.0
import { API_VERSION, TRUSTED_IOMMU } from "../../api/names.ts";
import type { Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import { isAppError } from "../../runtime/errors.ts";
import type { RunAgain } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { NodeEvent } from "../port.ts";
import type { ApiClient, ApiRequest } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";

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
  /** Takes the event; one of the same reason about the same object counts with it. The oldest waiting one is dropped when too many wait. */
  add(event: NodeEvent): void;
  /** Sends what waits, and counts that are due. @throws API_UNREACHABLE, with the rest still waiting */
  send(): Promise<RunAgain | undefined>;
}

/** One object of the API: an event, and how often it has come again since. */
interface Told {
  readonly key: string;
  event: NodeEvent;
  name: string;
  firstWallMs: number;
  lastWallMs: number;
  lastMs: number;
  /** Times that it was seen, and of those the API knows of. */
  count: number;
  known: number;
  sentMs: number;
  state: "Waiting" | "Sent" | "Refused";
}

const MAX_WAITING = 64;
const MAX_REMEMBERED = 256;
/** One that comes again later than this is news. */
const SAME_WITHIN_MS = 600_000;
/** Between two counts of one event. */
const COUNT_EVERY_MS = 60_000;
const DEADLINE_MS = 10_000;
const NOT_FOUND = 404;
/** Events about cluster-scoped objects live here (kubectl describe looks for them here). */
const PATH = "/apis/events.k8s.io/v1/namespaces/default/events";

/**
 * For people only: nothing waits for an event, and a lost one changes nothing. The same reason about the same object is one event with a count
 * (`series`), with the first one's note, which the API does not let change: what is true now the status says.
 */
export function createEventQueue(options: EventQueueOptions): EventQueue {
  const { client, clock, log } = options;
  /** Oldest first. */
  const all = new Map<string, Told>();

  const begin = (key: string, event: NodeEvent): void => {
    const wallMs = clock.wallMs();
    const times = { firstWallMs: wallMs, lastWallMs: wallMs, lastMs: clock.nowMs(), sentMs: 0 };
    all.delete(key);
    all.set(key, { key, event, name: nameOf(wallMs, options), ...times, count: 1, known: 0, state: "Waiting" });
    const waiting = waitingIn(all);
    const dropped = waiting.length > MAX_WAITING ? waiting[0] : undefined;
    if (dropped) log.debug({ reason: dropped.event.reason }, "event dropped");
    const oldest = dropped?.key ?? (all.size > MAX_REMEMBERED ? all.keys().next().value : undefined);
    if (oldest !== undefined) all.delete(oldest);
    options.wake();
  };

  const again = (told: Told): void => {
    told.count += 1;
    told.lastMs = clock.nowMs();
    told.lastWallMs = clock.wallMs();
    if (told.state === "Sent" && told.count === told.known + 1) options.wake();
  };

  /** True when the API took it. @throws API_UNREACHABLE */
  const call = async (told: Told, request: Omit<ApiRequest, "deadlineMs">): Promise<boolean> => {
    try {
      await client.call({ ...request, deadlineMs: DEADLINE_MS });
      return true;
    } catch (thrown) {
      if (!isAppError(thrown) || thrown.code !== "API_REFUSED") throw thrown;
      // It has been forgotten there, after an hour by default: the next time is a first one.
      if (request.method === "PATCH" && statusOfError(thrown) === NOT_FOUND) all.delete(told.key);
      else log.warn({ err: thrown, reason: told.event.reason }, "event refused");
      return false;
    }
  };

  return {
    add(event) {
      const key = JSON.stringify([event.type, event.reason, event.about]);
      const told = all.get(key);
      if (told && clock.nowMs() - told.lastMs < SAME_WITHIN_MS) again(told);
      else begin(key, event);
    },
    async send() {
      for (const told of waitingIn(all)) {
        const isTaken = await call(told, { method: "POST", path: PATH, body: eventObject(told, options) });
        Object.assign(told, { state: isTaken ? "Sent" : "Refused", known: 1, sentMs: clock.nowMs() });
      }
      for (const told of [...all.values()].filter((one) => isDue(one, clock.nowMs()))) {
        const { count } = told;
        await call(told, { method: "PATCH", path: `${PATH}/${told.name}`, contentType: "application/merge-patch+json", body: seriesOf(told) });
        Object.assign(told, { known: count, sentMs: clock.nowMs() });
      }
      const due = [...all.values()].filter(isUncounted).map((told) => Math.max(0, told.sentMs + COUNT_EVERY_MS - clock.nowMs()));
      return due.length === 0 ? undefined : { afterMs: Math.min(...due) };
    },
  };
}

function waitingIn(all: ReadonlyMap<string, Told>): readonly Told[] {
  return [...all.values()].filter((told) => told.state === "Waiting");
}

function isUncounted({ state, count, known }: Told): boolean {
  return state === "Sent" && count > known;
}

function isDue(told: Told, nowMs: number): boolean {
  return isUncounted(told) && nowMs - told.sentMs >= COUNT_EVERY_MS;
}

function nameOf(wallMs: number, { node, random }: EventQueueOptions): string {
  return `${node.slice(0, 200)}.${wallMs.toString(16)}${Math.floor(random() * 2 ** 48).toString(16)}`;
}

/** events.k8s.io/v1: note at most 1 KiB, reason, action and reportingInstance at most 128 characters. */
function eventObject({ event, name, firstWallMs }: Told, { node, uid }: EventQueueOptions): unknown {
  const object = uid();
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { namespace: "default", name },
    eventTime: microTime(firstWallMs),
    type: event.type,
    reason: event.reason.slice(0, 128),
    action: event.reason.slice(0, 128),
    note: cutBytes(event.message, 1024),
    reportingController: "teeio.dev/trusted-iommu-agent",
    reportingInstance: node.slice(0, 128),
    regarding: { apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, name: node, ...(object !== null && object !== "" && { uid: object }) },
  };
}

/** The only part of an event that may change (validation of events.k8s.io/v1); its count begins at 2. */
function seriesOf({ count, lastWallMs }: Told): unknown {
  return { series: { count, lastObservedTime: microTime(lastWallMs) } };
}

/** metav1.MicroTime. */
function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}

/** The first `limit` bytes of UTF-8, without half a character. */
function cutBytes(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= limit ? text : new TextDecoder().decode(bytes.subarray(0, limit - 4)).replace(/\uFFFD+$/, "");
}
