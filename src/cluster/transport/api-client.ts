// SPDX-License-Identifier: Apache-2.0

/** Requests to the API server over kept connections: each with a deadline by the clock that is passed in, bounded, and none while it wants none. */
import * as http from "node:http";
import * as https from "node:https";
import type { Clock } from "../../runtime/clock.ts";
import { runWithDeadline } from "../../runtime/deadline.ts";
import { AppError, isAppError, messageOf } from "../../runtime/errors.ts";
import { isNotNow, type Refusal, refusal, retryAfterMs } from "./api-error.ts";
import type { ApiAccess } from "./credentials.ts";
import { readLines } from "./lines.ts";

/** What bounds one request. */
export interface ApiBounds {
  /** From the first byte sent to the last byte read. */
  readonly deadlineMs: number;
  /** A longer body is not read to its end; 64 MiB when not given. */
  readonly maxBytes?: number;
  /** Ends the request. */
  readonly signal?: AbortSignal | undefined;
}

export interface ApiRequest extends ApiBounds {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Absolute, without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** A request as it is sent. */
export interface RawRequest extends ApiBounds {
  readonly method: string;
  /** Absolute, with query. */
  readonly target: string;
  /** Beside those of the credentials, which go before them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface ApiStream {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The answer's head must be there by then. */
  readonly openWithinMs: number;
  /** A stream that says nothing for so long is taken for dead. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** Called for each line. What it throws ends the stream with that error. */
  readonly onLine: (line: string) => void;
}

/** After an answer with Retry-After nothing is sent until that is over: what is asked meanwhile is API_UNREACHABLE at once, with the same words. */
export interface ApiClient {
  /** The parsed body of a 2xx answer. @throws API_UNREACHABLE (no answer, 429, 5xx) · API_REFUSED (any other answer; details.status) · API_ANSWER_TOO_LONG */
  call(request: ApiRequest): Promise<unknown>;
  /** Any answer, whatever its status. @throws API_UNREACHABLE (no answer, or none is wanted now) · API_ANSWER_TOO_LONG */
  exchange(request: RawRequest): Promise<RawAnswer>;
  /** Reads lines until the server ends the stream. @throws as `call`, and what `onLine` threw */
  stream(request: ApiStream): Promise<void>;
  /** Closes idle connections. Calls under way go on. */
  close(): void;
}

/** A node's pods, or one object with 4,096 devices, are a few MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

const UNAUTHORIZED = 401;

type Sent = Pick<RawRequest, "method" | "target" | "headers" | "body">;

export function createApiClient(access: ApiAccess, clock: Clock): ApiClient {
  /** The server asked to be left alone until then; what is asked meanwhile has the answer that said so. */
  let rest: { readonly untilMs: number; readonly refused: Refusal } | null = null;

  const refusalOf = (answer: http.IncomingMessage, body: string): Refusal => {
    if (answer.statusCode === UNAUTHORIZED) access.refused();
    const refused = { status: answer.statusCode ?? 0, body, retryAfterMs: retryAfterMs(answer.headers["retry-after"], clock.wallMs()) };
    // An answer that trying again will not change is no sign of load.
    if (refused.retryAfterMs !== null && isNotNow(refused.status)) rest = { untilMs: clock.nowMs() + refused.retryAfterMs, refused };
    return refused;
  };

  /** @throws API_UNREACHABLE, without a request, while the server wants none */
  const mayAsk = (what: string): void => {
    const leftMs = rest === null ? 0 : rest.untilMs - clock.nowMs();
    if (rest !== null && leftMs > 0) throw refusal(what, { ...rest.refused, retryAfterMs: leftMs });
  };

  const send = async (sent: Sent, signal: AbortSignal, isRepeat = false): Promise<http.IncomingMessage> => {
    const { headers: own, agent } = await access.credentials();
    // Node says how long a body is by itself, but not that of a DELETE, which then would be taken for the next request.
    const length = sent.body === null ? {} : { "content-length": String(Buffer.byteLength(sent.body)) };
    const headers = { accept: "application/json", "user-agent": "trusted-iommu", ...sent.headers, ...length, ...own };
    const url = new URL(`${access.server}${sent.target}`);
    const { request: open } = url.protocol === "http:" ? http : https;
    const request = open(url, { method: sent.method, headers, signal, agent });
    try {
      return await answerTo(request, sent.body);
    } catch (thrown) {
      // The server closed the idle connection just when it was used again; it has not seen the request.
      if (!isRepeat && request.reusedSocket && isReset(thrown)) return send(sent, signal, true);
      throw thrown;
    }
  };

  /** Any answer with its body; `refused` when its status is not 2xx. */
  const ask = (
    what: string,
    { deadlineMs, maxBytes = MAX_BODY_BYTES, signal, ...sent }: RawRequest,
  ): Promise<RawAnswer & { refused: Refusal | null }> => {
    const work = async (late: AbortSignal): Promise<RawAnswer & { refused: Refusal | null }> => {
      mayAsk(what);
      const answer = await send(sent, signal === undefined ? late : AbortSignal.any([late, signal]));
      const body = await readAll(answer, maxBytes);
      return { status: answer.statusCode ?? 0, headers: answer.headers, body, refused: isGood(answer) ? null : refusalOf(answer, body) };
    };
    const bounded = runWithDeadline(work, { clock, ms: deadlineMs, what, code: "API_UNREACHABLE" });
    return bounded.catch((thrown: unknown) => Promise.reject(unreachable(what, thrown)));
  };

  return {
    async call({ method, path, query = {}, body, contentType = "application/json", ...bounds }) {
      const what = `${method} ${path}`;
      const content = body === undefined ? { headers: {}, body: null } : { headers: { "content-type": contentType }, body: JSON.stringify(body) };
      const answer = await ask(what, { method, target: targetOf(path, query), ...content, ...bounds });
      if (answer.refused !== null) throw refusal(what, answer.refused);
      return parse(what, answer.body);
    },

    exchange: (request) => ask(`${request.method} ${request.target.replace(/\?.*/, "")}`, request),

    async stream({ path, query, openWithinMs, silenceMs, signal, onLine }) {
      const what = `GET ${path}`;
      const sent = { method: "GET", target: targetOf(path, query), headers: {}, body: null };
      const open = (late: AbortSignal): Promise<http.IncomingMessage> => send(sent, AbortSignal.any([late, signal]));
      mayAsk(what);
      try {
        const answer = await runWithDeadline(open, { clock, ms: openWithinMs, what, code: "API_UNREACHABLE" });
        if (!isGood(answer)) throw refusal(what, refusalOf(answer, await readAll(answer)));
        await readLines(answer, { clock, silenceMs, onLine });
      } catch (thrown) {
        throw unreachable(what, thrown);
      }
    },

    close: () => access.close(),
  };
}

function targetOf(path: string, query: Readonly<Record<string, string>>): string {
  const parameters = new URLSearchParams(query).toString();
  return parameters === "" ? path : `${path}?${parameters}`;
}

/** A proxy on the way may answer in HTML, with 200. @throws API_UNREACHABLE */
function parse(what: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (thrown) {
    throw unreachable(what, thrown);
  }
}

function answerTo(request: http.ClientRequest, body: string | null): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
    request.end(body ?? undefined);
  });
}

async function readAll(answer: http.IncomingMessage, maxBytes = MAX_BODY_BYTES): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop ends the connection: what is still to come is not received.
    if (bytes > maxBytes) throw new AppError("API_ANSWER_TOO_LONG", `the answer is longer than ${maxBytes} bytes`, { details: { maxBytes } });
  }
  return Buffer.concat(chunks).toString("utf8");
}

function isGood(answer: http.IncomingMessage): boolean {
  return answer.statusCode !== undefined && answer.statusCode >= 200 && answer.statusCode < 300;
}

function isReset(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && (thrown.code === "ECONNRESET" || thrown.code === "EPIPE");
}

function unreachable(what: string, thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown;
  return new AppError("API_UNREACHABLE", `${what}: ${messageOf(thrown)}`, { cause: thrown });
}
