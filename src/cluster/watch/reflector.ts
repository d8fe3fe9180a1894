// SPDX-License-Identifier: Apache-2.0

/** Keeps objects of one kind in view, by key: list in pages, watch with bookmarks, and again, whatever happens (kubernetes-node-apis 9.1). */
import type { Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import { runWithDeadline } from "../../runtime/deadline.ts";
import { AppError, messageOf, retryAfterMsOf } from "../../runtime/errors.ts";
import type { RunAgain } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import { asPlain, garbled, isGarbled, keyOf, versionOf } from "./objects.ts";
import { pagesOf } from "./pages.ts";
import { afterOutcome, delayBefore, UNLISTED, type WatchOutcome, type WatchState } from "./watch-state.ts";

/** What is watched. */
export interface Watched {
  /** `/apis/teeio.dev/v1alpha1/trustediommus` */
  readonly path: string;
  /** Of the kind: `teeio.dev/v1alpha1`. */
  readonly apiVersion: string;
  /** fieldSelector, labelSelector. */
  readonly query: Readonly<Record<string, string>>;
}

export interface ReflectorOptions<T> {
  readonly client: ApiClient;
  readonly watched: Watched;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What is kept of an object, called once for each list and each event that has it; null: it does not belong to the view. */
  readonly select: (object: unknown) => T | null;
  /**
   * All that is known, by `namespace/name` or `name`: the same map each time. Called after each list and each event, also when nothing changed;
   * `keys` are those that the list or the event was about, also of objects that are gone.
   */
  readonly onChange: (objects: ReadonlyMap<string, T>, keys: readonly string[]) => void;
  /** Told why a list failed. A number: its meaning is known and told, and the next attempt is due after so many ms at the least. */
  readonly onListFailure?: (thrown: unknown) => number | null;
  /** Runs each list: for an owner whose own writes must come either before it or after it. */
  readonly aroundList?: (list: () => Promise<WatchOutcome>) => Promise<WatchOutcome>;
}

export interface Reflector {
  /** One list or one watch, to its end. Never rejects; says when the next is due. To be run by a job, again and again. */
  step(signal: AbortSignal): Promise<RunAgain>;
}

const PAGE_DEADLINE_MS = 15_000;
const LIST_DEADLINE_MS = 120_000;
const OPEN_WITHIN_MS = 15_000;
/** The server sends a bookmark about every minute; two missing ones and the connection is taken for dead. */
const SILENCE_MS = 150_000;
const LIFE_MIN_S = 300;
const LIFE_SPAN_S = 300;

/** The longest a step can take, for the job's health. */
export const STEP_BOUND_MS = (LIFE_MIN_S + LIFE_SPAN_S) * 1000 + SILENCE_MS + OPEN_WITHIN_MS;

export function createReflector<T>(options: ReflectorOptions<T>): Reflector {
  const { client, watched, clock, random, log, select, onChange, onListFailure, aroundList = (listing) => listing() } = options;
  const { path, query } = watched;
  const objects = new Map<string, T>();
  let state: WatchState = UNLISTED;

  /** Nothing of a list counts before its last page is there. */
  const list = async (signal: AbortSignal): Promise<WatchOutcome> => {
    const listed = new Map<string, T>();
    let resourceVersion = "";
    for await (const page of pagesOf(client, { path, query, deadlineMs: PAGE_DEADLINE_MS, signal })) {
      if (page.apiVersion !== watched.apiVersion) throw garbled(`the answer to a list is not of ${watched.apiVersion}`);
      resourceVersion = versionOf(page.list);
      for (const item of page.items) put(listed, keyOf(item), select(item));
    }
    signal.throwIfAborted();
    const keys = [...new Set([...objects.keys(), ...listed.keys()])];
    for (const key of keys) put(objects, key, listed.get(key) ?? null);
    onChange(objects, keys);
    return { kind: "Listed", resourceVersion };
  };

  const watch = async (resourceVersion: string, signal: AbortSignal): Promise<WatchOutcome> => {
    const timeoutSeconds = String(Math.round(LIFE_MIN_S + LIFE_SPAN_S * random()));
    const whole = { ...query, watch: "true", allowWatchBookmarks: "true", resourceVersion, timeoutSeconds };
    const startMs = clock.nowMs();
    const onLine = (line: string): void => {
      const event = watchEvent(line);
      if (event.type === "ERROR") throw errorEvent(event.object);
      const progress: WatchOutcome = { kind: "Progress", resourceVersion: versionOf(event.object) };
      if (event.type !== "BOOKMARK") {
        const key = keyOf(event.object);
        put(objects, key, event.type === "DELETED" ? null : select(event.object));
        onChange(objects, [key]);
      }
      state = afterOutcome(state, progress);
    };
    await client.stream({ path, query: whole, openWithinMs: OPEN_WITHIN_MS, silenceMs: SILENCE_MS, signal, onLine });
    return { kind: "Ended", livedMs: clock.nowMs() - startMs };
  };

  return {
    async step(signal) {
      const doing = state;
      const listing = { clock, ms: LIST_DEADLINE_MS, what: `listing ${path}`, code: "API_UNREACHABLE" } as const;
      const bounded = (): Promise<WatchOutcome> => runWithDeadline((late) => list(AbortSignal.any([late, signal])), listing);
      const work = doing.next === "List" ? aroundList(bounded) : watch(doing.resourceVersion, signal);
      let restMs = 0;
      const outcome = await work.catch((thrown: unknown): WatchOutcome => {
        const kind = failureOf(thrown);
        if (signal.aborted) return { kind };
        const slowly = doing.next === "List" ? (onListFailure?.(thrown) ?? null) : null;
        restMs = Math.max(retryAfterMsOf(thrown), slowly ?? 0);
        if (slowly === null) log.warn({ err: thrown, path, doing: doing.next, outcome: kind, failures: state.failures }, "watch interrupted");
        return { kind };
      });
      state = afterOutcome(state, outcome);
      return { afterMs: Math.max(delayBefore(state, outcome.kind, random), restMs) };
    },
  };
}

function put<T>(objects: Map<string, T>, key: string, value: T | null): void {
  if (value === null) objects.delete(key);
  else objects.set(key, value);
}

/** Answers that say by themselves what to do. 404: the kind itself is gone, and whether it comes back only a list shows. */
const TO_LIST = [404, 410];

function failureOf(thrown: unknown): "Gone" | "Garbled" | "Failed" {
  if (isGarbled(thrown)) return "Garbled";
  return TO_LIST.includes(statusOfError(thrown) ?? 0) ? "Gone" : "Failed";
}

/** An ERROR event holds a meta/v1 Status. */
function errorEvent(object: unknown): AppError {
  const { code, message } = asPlain(object);
  const status = typeof code === "number" ? code : 0;
  return new AppError("API_UNREACHABLE", `the watch ended with an error: ${status} ${String(message)}`, { details: { status } });
}

interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

const EVENT_TYPES = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];

function watchEvent(line: string): WatchEvent {
  const { type, object } = asPlain(parseLine(line));
  if (typeof type !== "string" || !EVENT_TYPES.includes(type)) throw garbled(`not a watch event: ${line.slice(0, 200)}`);
  return { type, object };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (thrown) {
    throw garbled(`not JSON: ${messageOf(thrown)}`, thrown);
  }
}
