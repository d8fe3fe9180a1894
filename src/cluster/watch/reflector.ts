// SPDX-License-Identifier: Apache-2.0

/** Keeps one object in view: list, watch with bookmarks, and again, whatever happens (kubernetes-node-apis 9.1). */
import { API_VERSION } from "../../api/names.ts";
import type { Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import { AppError, isAppError, messageOf, retryAfterMsOf } from "../../runtime/errors.ts";
import type { RunAgain } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import { afterOutcome, delayBefore, UNLISTED, type WatchOutcome, type WatchState } from "./watch-state.ts";

export interface ReflectorOptions {
  readonly client: ApiClient;
  /** `/apis/teeio.dev/v1alpha1/trustediommus` */
  readonly path: string;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The object as it is now; null: there is none. Called after each list and each event, also when nothing changed. */
  readonly onObject: (object: unknown) => void;
}

export interface Reflector {
  /** One list or one watch, to its end. Never rejects; says when the next is due. To be run by a job, again and again. */
  step(signal: AbortSignal): Promise<RunAgain>;
}

const LIST_DEADLINE_MS = 15_000;
const OPEN_WITHIN_MS = 15_000;
/** The server sends a bookmark about every minute; two missing ones and the connection is taken for dead. */
const SILENCE_MS = 150_000;
const LIFE_MIN_S = 300;
const LIFE_SPAN_S = 300;

/** The longest a step can take, for the job's health. */
export const STEP_BOUND_MS = (LIFE_MIN_S + LIFE_SPAN_S) * 1000 + SILENCE_MS + OPEN_WITHIN_MS;

export function createReflector(options: ReflectorOptions): Reflector {
  let state: WatchState = UNLISTED;
  const fieldSelector = `metadata.name=${options.name}`;

  const list = async (): Promise<WatchOutcome> => {
    const body = await options.client.call({ method: "GET", path: options.path, query: { fieldSelector }, deadlineMs: LIST_DEADLINE_MS });
    const { items, resourceVersion } = listOf(body);
    options.onObject(items.find((item) => nameOf(item) === options.name) ?? null);
    return { kind: "Listed", resourceVersion };
  };

  const watch = async (resourceVersion: string, signal: AbortSignal): Promise<WatchOutcome> => {
    const timeoutSeconds = String(Math.round(LIFE_MIN_S + LIFE_SPAN_S * options.random()));
    const query = { fieldSelector, watch: "true", allowWatchBookmarks: "true", resourceVersion, timeoutSeconds };
    const startMs = options.clock.nowMs();
    const onLine = (line: string): void => {
      const event = watchEvent(line);
      if (event.type === "ERROR") throw errorEvent(event.object);
      state = afterOutcome(state, { kind: "Progress", resourceVersion: versionOf(event.object) });
      if (event.type === "BOOKMARK" || nameOf(event.object) !== options.name) return;
      options.onObject(event.type === "DELETED" ? null : event.object);
    };
    await options.client.stream({ path: options.path, query, openWithinMs: OPEN_WITHIN_MS, silenceMs: SILENCE_MS, signal, onLine });
    return { kind: "Ended", livedMs: options.clock.nowMs() - startMs };
  };

  return {
    async step(signal) {
      const doing = state;
      const work = doing.next === "List" ? list() : watch(doing.resourceVersion, signal);
      let restMs = 0;
      const outcome = await work.catch((thrown: unknown): WatchOutcome => {
        restMs = retryAfterMsOf(thrown);
        const kind = failureOf(thrown);
        if (!signal.aborted) options.log.warn({ err: thrown, doing: doing.next, outcome: kind, failures: state.failures }, "watch interrupted");
        return { kind };
      });
      state = afterOutcome(state, outcome);
      return { afterMs: Math.max(delayBefore(state, outcome.kind, options.random), restMs) };
    },
  };
}

/** 410 is the only answer that says by itself what to do. */
const GONE = 410;

function failureOf(thrown: unknown): "Gone" | "Garbled" | "Failed" {
  if (isAppError(thrown) && thrown.details["garbled"] === true) return "Garbled";
  return statusOfError(thrown) === GONE ? "Gone" : "Failed";
}

function garbled(message: string, cause?: unknown): AppError {
  return new AppError("API_UNREACHABLE", message, { details: { garbled: true }, cause });
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

function listOf(body: unknown): { items: readonly unknown[]; resourceVersion: string } {
  const { items, apiVersion } = asPlain(body);
  if (!Array.isArray(items) || apiVersion !== API_VERSION) throw garbled("the answer to a list is no list");
  return { items, resourceVersion: versionOf(body) };
}

function versionOf(object: unknown): string {
  const { resourceVersion } = asPlain(asPlain(object)["metadata"]);
  if (typeof resourceVersion !== "string" || resourceVersion === "") throw garbled("an object has no metadata.resourceVersion");
  return resourceVersion;
}

function nameOf(object: unknown): unknown {
  return asPlain(asPlain(object)["metadata"])["name"];
}

function asPlain(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};
}
