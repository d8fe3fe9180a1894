// SPDX-License-Identifier: Apache-2.0

/** What a stand-in of the API server answers. */
import type { ServerResponse } from "node:http";

export function list(apiVersion: string, kind: string, items: readonly unknown[]): unknown {
  return { apiVersion, kind, metadata: { resourceVersion: "1" }, items };
}

export function answer(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
