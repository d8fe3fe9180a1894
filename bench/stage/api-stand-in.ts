// SPDX-License-Identifier: Apache-2.0

/** The least of an API server that keeps an agent content, behind TLS: one TrustedIommu with its watch, status that can be applied, events, no pods. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { TLS } from "../../test/support/tls.ts";
import { RESOURCE } from "./stage.ts";

export interface ApiStandIn {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const API_VERSION = "teeio.dev/v1alpha1";
const OBJECT = {
  apiVersion: API_VERSION,
  kind: "TrustedIommu",
  metadata: { name: "bench", uid: "00000000-0000-4000-8000-000000000001", generation: 1, resourceVersion: "1" },
  spec: {
    state: "Trusted",
    units: { all: true },
    resources: [{ name: RESOURCE, ledger: "DevicePlugin", driver: { bind: "Keep" }, match: { functions: ["Physical", "Virtual"] } }],
    link: { enable: "Never" },
  },
};

export async function startApiStandIn(): Promise<ApiStandIn> {
  let status: unknown = {};
  const server = createServer({ cert: TLS.cert, key: TLS.key }, (request, response) => {
    readBody(request)
      .then((body) => {
        const url = new URL(request.url ?? "/", "http://stand-in");
        if (request.method === "PATCH" && url.pathname.endsWith("/status")) {
          status = (body as { status?: unknown }).status;
          answer(response, { ...OBJECT, status });
        } else if (request.method === "POST") {
          answer(response, body);
        } else if (url.searchParams.get("watch") === "true") {
          response.writeHead(200, { "content-type": "application/json" }).flushHeaders(); // Says nothing, as a quiet cluster.
        } else if (url.pathname.endsWith("/trustediommus")) {
          answer(response, list(API_VERSION, "TrustedIommuList", [{ ...OBJECT, status }]));
        } else if (url.pathname.endsWith("/trustediommus/bench")) {
          answer(response, { ...OBJECT, status });
        } else if (url.pathname === "/api/v1/pods") {
          answer(response, list("v1", "PodList", []));
        } else {
          response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ kind: "Status", code: 404, reason: "NotFound" }));
        }
      })
      .catch((thrown: unknown) => response.destroy(thrown instanceof Error ? thrown : new Error(String(thrown))));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function list(apiVersion: string, kind: string, items: readonly unknown[]): unknown {
  return { apiVersion, kind, metadata: { resourceVersion: "1" }, items };
}

function answer(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? {} : JSON.parse(text);
}
