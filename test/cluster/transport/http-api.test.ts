// SPDX-License-Identifier: Apache-2.0

/** The contract of our transport with the typed APIs of @kubernetes/client-node, held through CustomObjectsApi. */
import { ApiException, CustomObjectsApi, PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { apiConfiguration } from "../../../src/cluster/transport/http-api.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, json, type ScenarioServer, silence } from "../scenario-server.ts";

const KIND = { group: "teeio.dev", version: "v1alpha1", plural: "trustediommus" };
const PATH = "/apis/teeio.dev/v1alpha1/trustediommus";

let server: ScenarioServer;
let clock: FakeClock;
let client: ApiClient;
let api: CustomObjectsApi;

beforeEach(async () => {
  server = await createScenarioServer();
  clock = createFakeClock();
  client = createApiClient(plainAccess(`${server.url}/below/a/path`), clock);
  api = new CustomObjectsApi(apiConfiguration(client, { deadlineMs: 1_000, maxBytes: 10_000 }));
});

afterEach(async () => {
  client.close();
  const verdict = server.verdict();
  await server.close();
  expect(verdict).toEqual([]);
  expect(clock.pending()).toBe(0);
});

const expectGet = (name: string, answer: Parameters<ScenarioServer["expect"]>[1]): void =>
  server.expect({ method: "GET", path: `/below/a/path${PATH}/${name}` }, answer);
const get = (name: string): Promise<unknown> => api.getClusterCustomObject({ ...KIND, name });

test("reads an object as it is, also what the library's types do not know, and a page of a list", async () => {
  const object = {
    apiVersion: "teeio.dev/v1alpha1",
    kind: "TrustedIommu",
    metadata: { name: "n1" },
    spec: { invented: { int: 1, default: [null] } },
  };
  expectGet("n1", json(200, object));
  expect(await get("n1")).toEqual(object);
  server.expect({ method: "GET", path: `/below/a/path${PATH}`, query: { limit: "2", continue: "a+b/c=" } }, json(200, { items: [object] }));
  expect(await api.listClusterCustomObject({ ...KIND, limit: 2, _continue: "a+b/c=" })).toEqual({ items: [object] });
});

test("applies on the server's side, with owner and force", async () => {
  const body = { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", metadata: { name: "n1" }, status: { "x-y": 1 } };
  const query = { fieldManager: "fleet", force: "true" };
  server.expect(
    { method: "PATCH", path: `/below/a/path${PATH}/n1/status`, query, contentType: PatchStrategy.ServerSideApply, body },
    json(200, body),
  );
  const patch = { ...KIND, name: "n1", body, fieldManager: "fleet", force: true };
  expect(await api.patchClusterCustomObjectStatus(patch, setHeaderOptions("Content-Type", PatchStrategy.ServerSideApply))).toEqual(body);
});

test("gives a refusal to the library, which throws its own", async () => {
  expectGet("none", json(404, { kind: "Status", code: 404, reason: "NotFound" }));
  const thrown = await get("none").catch((refused: unknown) => refused);
  expect(thrown).toBeInstanceOf(ApiException);
  expect(thrown).toMatchObject({ code: 404, body: expect.stringContaining("NotFound") });
});

test("asks nothing while the server wants nothing", async () => {
  expectGet("n1", (response) => void response.writeHead(429, { "retry-after": "7" }).end("{}"));
  await expect(get("n1")).rejects.toMatchObject({ code: 429 });
  await expect(get("n2")).rejects.toMatchObject({ code: "API_UNREACHABLE", details: { status: 429, retryAfterMs: 7_000 } });
  await clock.advance(7_000);
  expectGet("n2", json(200, {}));
  expect(await get("n2")).toEqual({});
});

test("has a deadline by our clock, and a longest answer", async () => {
  expectGet("slow", silence);
  const pending = get("slow");
  pending.catch(() => undefined);
  while (clock.nextDueMs() === null) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(1_000);
  await expect(pending).rejects.toMatchObject({ code: "API_UNREACHABLE", message: expect.stringContaining("1000 ms") });
  expectGet("long", json(200, { text: "x".repeat(10_000) }));
  await expect(get("long")).rejects.toMatchObject({ code: "API_ANSWER_TOO_LONG" });
});
