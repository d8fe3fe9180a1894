// SPDX-License-Identifier: Apache-2.0

/** An API server of few words behind TLS, which counts connections, and an HTTP proxy on the way to it. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer as createNetServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { TLS } from "../support/tls.ts";

export interface SeenRequest {
  readonly method: string;
  /** With query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** Common name of the caller's certificate; null: it showed none. */
  readonly certificate: string | null;
}

export interface TlsServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** TLS handshakes so far. */
  connections(): number;
  close(): Promise<void>;
}

/** Answers each request with `answer`, by default with an empty JSON object. */
export async function startTlsServer(
  answer: (response: ServerResponse, request: SeenRequest) => void = (response) => response.end("{}"),
): Promise<TlsServer> {
  const requests: SeenRequest[] = [];
  let connections = 0;
  const server = createTlsServer({ cert: TLS.cert, key: TLS.key, ca: TLS.ca, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    const { method = "", url = "", headers } = request;
    const seen = { method, target: url, headers, certificate: subject === undefined ? null : String(subject.CN) };
    requests.push(seen);
    answer(response, seen);
  });
  server.on("secureConnection", () => {
    connections += 1;
  });
  await listening(server);
  return {
    url: `https://127.0.0.1:${portOf(server)}`,
    requests,
    connections: () => connections,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface Proxy {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `HOST:PORT` of each tunnel that was asked for. */
  readonly tunnels: readonly string[];
  close(): Promise<void>;
}

/** Serves CONNECT (RFC 9110 9.3.6) and nothing else. */
export async function startProxy(): Promise<Proxy> {
  const tunnels: string[] = [];
  const server = createServer((_request, response) => void response.writeHead(405).end());
  server.on("connect", (request, socket) => {
    const target = request.url ?? "";
    tunnels.push(target);
    const onward = connect(Number(target.split(":")[1]), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      join(socket, onward);
    });
  });
  await listening(server);
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    tunnels,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Serves CONNECT of SOCKS 5 (RFC 1928) to IPv4 addresses, without authentication. */
export async function startSocksProxy(): Promise<Proxy> {
  const tunnels: string[] = [];
  const sockets = new Set<Socket>();
  const server = createNetServer((socket) => {
    sockets.add(socket);
    socket.once("data", () => {
      socket.write(Buffer.from([5, 0]));
      socket.once("data", (request: Buffer) => {
        const [host, port] = [request.subarray(4, 8).join("."), request.readUInt16BE(8)];
        tunnels.push(`${host}:${port}`);
        const onward = connect(port, host, () => {
          socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          join(socket, onward);
        });
      });
    });
  });
  await listening(server);
  return {
    url: `socks5://127.0.0.1:${portOf(server)}`,
    tunnels,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Each has what the other says, and ends with the other. */
function join(one: Duplex, other: Duplex): void {
  one.pipe(other).pipe(one);
  const end = (): void => {
    one.destroy();
    other.destroy();
  };
  for (const stream of [one, other]) stream.on("error", end).on("close", end);
}

async function listening(server: Server): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
