// SPDX-License-Identifier: Apache-2.0

/**
 * Requests to the API server, each with a deadline by the clock that is passed in. Plain node:https: the generated client drops fields it does
 * not know, has no deadlines and costs 50 MB.
 */
import * as http from "node:http";
import * as https from "node:https";
import type { Clock } from "../../runtime/clock.ts";
import { runWithDeadline } from "../../runtime/deadline.ts";
import { AppError, isAppError, messageOf } from "../../runtime/errors.ts";
import { type Refusal, refusal, retryAfterMs } from "./api-error.ts";
import type { ApiAccess, TlsOptions } from "./credentials.ts";
import { readLines } from "./lines.ts";

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH";
  /** Absolute, without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** From the first byte sent to the last byte read. */
  readonly deadlineMs: number;
  /** A longer body is not read to its end; 64 MiB when not given. */
  readonly maxBytes?: number;
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
  /** Reads lines until the server ends the stream. @throws as `call`, and what `onLine` threw */
  stream(request: ApiStream): Promise<void>;
  /** Closes idle connections. Calls under way go on. */
  close(): void;
}

/** A node's pods, or one object with 4,096 devices, are a few MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly contentType: string;
}

export function createApiClient(access: ApiAccess, clock: Clock): ApiClient {
  const connections = createConnections(access.server);
  /** The server asked to be left alone until then; what is asked meanwhile has the answer that said so. */
  let rest: { readonly untilMs: number; readonly refused: Refusal } | null = null;

  const refuse = (what: string, answer: http.IncomingMessage, body: string): AppError => {
    const refused = { status: answer.statusCode ?? 0, body, retryAfterMs: retryAfterMs(answer.headers["retry-after"], clock.wallMs()) };
    const error = refusal(what, refused);
    // An answer that trying again will not change is no sign of load.
    if (refused.retryAfterMs !== null && error.code === "API_UNREACHABLE") rest = { untilMs: clock.nowMs() + refused.retryAfterMs, refused };
    return error;
  };

  /** @throws API_UNREACHABLE, without a request, while the server wants none */
  const mayAsk = (what: string): void => {
    const leftMs = rest === null ? 0 : rest.untilMs - clock.nowMs();
    if (rest !== null && leftMs > 0) throw refusal(what, { ...rest.refused, retryAfterMs: leftMs });
  };

  const send = async (sent: Sent, signal: AbortSignal, isRepeat = false): Promise<http.IncomingMessage> => {
    const { authorization, tls } = await access.credentials();
    const url = new URL(`${access.server}${sent.path}`);
    for (const [name, value] of Object.entries(sent.query)) url.searchParams.set(name, value);
    const headers: Record<string, string> = { accept: "application/json", "user-agent": "trusted-iommu" };
    if (authorization !== null) headers["authorization"] = authorization;
    if (sent.body !== null) headers["content-type"] = sent.contentType;
    const request = connections.request(url, tls, { method: sent.method, headers, signal });
    try {
      return await answerTo(request, sent.body);
    } catch (thrown) {
      // The server closed the idle connection just when it was used again; it has not seen the request.
      if (!isRepeat && request.reusedSocket && isReset(thrown)) return send(sent, signal, true);
      throw thrown;
    }
  };

  return {
    async call({ method, path, query = {}, body, contentType = "application/json", deadlineMs, maxBytes = MAX_BODY_BYTES }) {
      const sent = { method, path, query, body: body === undefined ? null : JSON.stringify(body), contentType };
      mayAsk(`${method} ${path}`);
      const work = async (signal: AbortSignal): Promise<unknown> => {
        const answer = await send(sent, signal);
        const text = await readAll(answer, maxBytes);
        if (!isGood(answer)) throw refuse(`${method} ${path}`, answer, text);
        return JSON.parse(text);
      };
      const bounded = runWithDeadline(work, { clock, ms: deadlineMs, what: `${method} ${path}`, code: "API_UNREACHABLE" });
      return bounded.catch((thrown: unknown) => Promise.reject(unreachable(`${method} ${path}`, thrown)));
    },

    async stream({ path, query, openWithinMs, silenceMs, signal, onLine }) {
      const sent = { method: "GET", path, query, body: null, contentType: "" };
      const open = (late: AbortSignal): Promise<http.IncomingMessage> => send(sent, AbortSignal.any([late, signal]));
      mayAsk(`GET ${path}`);
      try {
        const answer = await runWithDeadline(open, { clock, ms: openWithinMs, what: `GET ${path}`, code: "API_UNREACHABLE" });
        if (!isGood(answer)) throw refuse(`GET ${path}`, answer, await readAll(answer));
        await readLines(answer, { clock, silenceMs, onLine });
      } catch (thrown) {
        throw unreachable(`GET ${path}`, thrown);
      }
    },

    close: () => connections.close(),
  };
}

interface Connections {
  request(url: URL, tls: TlsOptions, options: http.RequestOptions): http.ClientRequest;
  close(): void;
}

/** One pool of kept connections, replaced when certificates change. */
function createConnections(server: string): Connections {
  if (server.startsWith("http:")) {
    const agent = new http.Agent({ keepAlive: true });
    return { request: (url, _tls, options) => http.request(url, { ...options, agent }), close: () => agent.destroy() };
  }
  let current: { readonly key: string; readonly agent: https.Agent } | null = null;
  const agentFor = (tls: TlsOptions): https.Agent => {
    const key = JSON.stringify(tls);
    if (current?.key === key) return current.agent;
    current?.agent.destroy();
    current = { key, agent: new https.Agent({ keepAlive: true, ...tlsOptions(tls) }) };
    return current.agent;
  };
  return { request: (url, tls, options) => https.request(url, { ...options, agent: agentFor(tls) }), close: () => current?.agent.destroy() };
}

function tlsOptions(tls: TlsOptions): https.AgentOptions {
  return {
    ...(tls.ca !== null && { ca: tls.ca }),
    ...(tls.cert !== null && { cert: tls.cert }),
    ...(tls.key !== null && { key: tls.key }),
    ...(tls.serverName !== null && { servername: tls.serverName }),
    rejectUnauthorized: !tls.insecure,
  };
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
