// SPDX-License-Identifier: Apache-2.0

/**
 * The least of an API server that keeps an agent content, behind TLS: one TrustedIommu with its watch, status that can be applied, events, no pods, and
 * ResourceSlices and ResourceClaims where a figure has some.
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Ledger, LinkEnable } from "../../src/domain/intent.ts";
import { TLS } from "../../test/support/tls.ts";
import { answer, list } from "./answers.ts";
import type { DraStandIn } from "./dra-stand-in.ts";
import { RESOURCE } from "./stage.ts";

export interface ApiStandIn {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const API_VERSION = "teeio.dev/v1alpha1";
const objectOf = ({ ledger, linkEnable }: Asked): object => ({
  apiVersion: API_VERSION,
  kind: "TrustedIommu",
  metadata: { name: "bench", uid: "00000000-0000-4000-8000-000000000001", generation: 1, resourceVersion: "1" },
  spec: {
    state: "Trusted",
    units: { all: true },
    resources: [{ name: RESOURCE, ledger, driver: { bind: "Keep" }, match: { functions: ["Physical", "Virtual"] } }],
    link: { enable: linkEnable },
  },
});

/** What the TrustedIommu asks for. */
interface Asked {
  readonly ledger: Ledger;
  readonly linkEnable: LinkEnable;
}

export async function startApiStandIn(dra: DraStandIn | null = null, linkEnable: LinkEnable = "Never"): Promise<ApiStandIn> {
  const asked = objectOf({ ledger: dra === null ? "DevicePlugin" : "DRA", linkEnable });
  let status: unknown = {};
  const server = createServer({ cert: TLS.cert, key: TLS.key }, (request, response) => {
    readBody(request)
      .then((body) => {
        const url = new URL(request.url ?? "/", "http://stand-in");
        if (dra?.serve({ method: request.method ?? "", url, body }, response)) return;
        if (request.method === "PATCH" && url.pathname.endsWith("/status")) {
          status = (body as { status?: unknown }).status;
          answer(response, { ...asked, status });
        } else if (request.method === "POST") {
          answer(response, body);
        } else if (url.searchParams.get("watch") === "true") {
          response.writeHead(200, { "content-type": "application/json" }).flushHeaders(); // Says nothing, as a quiet cluster.
        } else if (url.pathname.endsWith("/trustediommus")) {
          answer(response, list(API_VERSION, "TrustedIommuList", [{ ...asked, status }]));
        } else if (url.pathname.endsWith("/trustediommus/bench")) {
          answer(response, { ...asked, status });
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

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? {} : JSON.parse(text);
}
