// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AppError, messageOf } from "./errors.ts";
import type { HealthReport, ReadyReport } from "./health-report.ts";
import type { Log } from "./log.ts";

export interface HttpOptions {
  /** `127.0.0.1:9100`, `[::1]:9100`, `:9100` or `9100`; port 0 takes a free one. */
  readonly address: string;
  readonly log: Log;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  readonly health: () => HealthReport;
  readonly ready: () => ReadyReport;
  /** How long a client may take to send a request, or to take the next part of an answer; ten seconds when not given. */
  readonly patienceMs?: number;
}

export interface HttpServer {
  /** Where it listens, with the real port. */
  readonly url: string;
  close(): Promise<void>;
}

interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Without a bound each client that is gone would keep a socket and an answer for ever. */
const PATIENCE_MS = 10_000;
/** Scrapers and probes of one node; what comes beyond them is closed. */
const MAX_CLIENTS = 64;

/** Serves /metrics, /healthz and /readyz. @throws CONFIG_INVALID when the address is malformed or can't be listened on */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, port } = parseAddress(options.address);
  const { patienceMs = PATIENCE_MS } = options;
  const server = createServer({ requestTimeout: patienceMs, headersTimeout: patienceMs }, (request, response) => {
    void respond(options, request, response);
  });
  server.setTimeout(patienceMs);
  server.maxConnections = MAX_CLIENTS;
  await listen(server, { host, port, address: options.address });
  server.on("error", (err) => options.log.warn({ err }, "metrics server failed"));
  const bound = server.address() as AddressInfo;
  const shownHost = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return { url: `http://${shownHost}:${bound.port}`, close: () => close(server) };
}

/** Splits a listen address. @throws CONFIG_INVALID */
export function parseAddress(address: string): { host: string | undefined; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*))?:?(\d{1,5})$/.exec(address.includes(":") ? address : `:${address}`);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new AppError("CONFIG_INVALID", `metrics address "${address}" is not HOST:PORT; write for example 127.0.0.1:9100, [::1]:9100 or :9100`, {
      details: { field: "metrics", value: address },
    });
  }
  return { host: match[1] ?? (match[2] || undefined), port };
}

async function respond(options: HttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await answerTo(options, request).catch((thrown: unknown): HttpAnswer => {
    options.log.error({ err: thrown, path: request.url }, "request failed");
    return text(500, messageOf(thrown));
  });
  response.writeHead(answer.status, { "content-type": answer.contentType, "cache-control": "no-store" });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}

async function answerTo(options: HttpOptions, request: IncomingMessage): Promise<HttpAnswer> {
  if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET and HEAD");
  switch (request.url?.split("?")[0]) {
    case "/metrics":
      return { status: 200, contentType: options.metrics.contentType, body: await options.metrics.render() };
    case "/healthz": {
      const report = options.health();
      return json(report.healthy ? 200 : 503, report);
    }
    case "/readyz": {
      const report = options.ready();
      return json(report.ready ? 200 : 503, report);
    }
    default:
      return text(404, "there is /metrics, /healthz and /readyz");
  }
}

function text(status: number, body: string): HttpAnswer {
  return { status, contentType: "text/plain; charset=utf-8", body: `${body}\n` };
}

function json(status: number, value: unknown): HttpAnswer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value, null, 2)}\n` };
}

function listen(server: Server, to: { host: string | undefined; port: number; address: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `metrics address "${to.address}" cannot be listened on: ${cause.message}; choose another with --metrics`;
      reject(new AppError("CONFIG_INVALID", message, { details: { field: "metrics", value: to.address }, cause }));
    });
    server.listen(to.port, to.host, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
