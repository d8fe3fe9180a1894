// SPDX-License-Identifier: Apache-2.0

/** An API server that follows a script: each request must be the next one expected, and nothing else may come. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isDeepStrictEqual } from "node:util";

export interface ExpectedRequest {
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Exactly these parameters. */
  readonly query?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly body?: unknown;
}

export type Answer = (response: ServerResponse) => void;

export interface ScenarioStep {
  readonly expect: ExpectedRequest;
  readonly answer: Answer;
}

export interface ScenarioServer {
  readonly url: string;
  /** Adds to the end of the script. */
  expect(expected: ExpectedRequest, answer: Answer): void;
  /** Requests answered so far. */
  answered(): number;
  /** What was wrong: requests that differ from the script or come after it, and steps never reached. Empty: exactly the script happened. */
  verdict(): readonly string[];
  close(): Promise<void>;
}

export async function createScenarioServer(): Promise<ScenarioServer> {
  const script: ScenarioStep[] = [];
  const wrong: string[] = [];
  let answered = 0;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const got = await readRequest(request);
    const step = script.shift();
    const difference = step === undefined ? "nothing more" : differenceOf(step.expect, got);
    if (step === undefined || difference !== "") {
      wrong.push(`expected ${difference || "another request"}, got ${got.method} ${got.path} ${JSON.stringify(got.query)}`);
      response.writeHead(500).end();
      return;
    }
    step.answer(response);
    answered += 1;
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((thrown: unknown) => {
      wrong.push(String(thrown));
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    expect: (expected, answer) => void script.push({ expect: expected, answer }),
    answered: () => answered,
    verdict: () => [...wrong, ...script.map(({ expect }) => `never came: ${expect.method} ${expect.path} ${JSON.stringify(expect.query)}`)],
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

interface GotRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly contentType: string;
  readonly body: unknown;
}

async function readRequest(request: IncomingMessage): Promise<GotRequest> {
  const url = new URL(request.url ?? "/", "http://scenario");
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  return {
    method: request.method ?? "",
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    contentType: request.headers["content-type"] ?? "",
    body: text === "" ? undefined : JSON.parse(text),
  };
}

function differenceOf(expected: ExpectedRequest, got: GotRequest): string {
  const whole = { query: {}, contentType: got.contentType, body: got.body, ...expected };
  return isDeepStrictEqual(whole, got) ? "" : JSON.stringify(expected);
}

/** Answers with JSON. */
export function json(status: number, body: unknown): Answer {
  return (response) => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Takes the request and never answers. */
export const silence: Answer = () => undefined;

/** A stream that the test feeds. */
export interface LiveStream {
  readonly answer: Answer;
  send(event: unknown): void;
  sendText(text: string): void;
  end(): void;
  /** Cuts the connection, as a dying server or a broken network does. */
  reset(): void;
}

export function liveStream(): LiveStream {
  let open: ServerResponse | null = null;
  const response = (): ServerResponse => {
    if (open === null) throw new Error("the stream was not asked for yet");
    return open;
  };
  return {
    answer(started) {
      open = started;
      started.writeHead(200, { "content-type": "application/json" });
      started.flushHeaders();
    },
    send: (event) => void response().write(`${JSON.stringify(event)}\n`),
    sendText: (text) => void response().write(text),
    end: () => void response().end(),
    reset: () => void response().socket?.resetAndDestroy(),
  };
}
