// SPDX-License-Identifier: Apache-2.0

/** Many objects of one kind in view. How the watch goes on after each kind of failure is told in watch-state.test.ts and ../node/cluster.test.ts. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { createReflector, type Reflector } from "../../../src/cluster/watch/reflector.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, type ExpectedRequest, json, liveStream, type ScenarioServer, silence } from "../scenario-server.ts";

const PATH = "/apis/resource.k8s.io/v1/resourceclaims";
const API_VERSION = "resource.k8s.io/v1";

const list = (token: string | null, limit = "50"): ExpectedRequest => ({
  method: "GET",
  path: PATH,
  query: { labelSelector: "a=b", limit, ...(token !== null && { continue: token }) },
});

const watchFrom = (resourceVersion: string): ExpectedRequest => ({
  method: "GET",
  path: PATH,
  query: { labelSelector: "a=b", watch: "true", allowWatchBookmarks: "true", resourceVersion, timeoutSeconds: "300" },
});

/** `size` is what is kept of it; without one it does not belong to the view. */
const claim = (key: string, resourceVersion: string, size?: number): unknown => {
  const [namespace, name] = key.split("/");
  return { metadata: { namespace, name, resourceVersion }, spec: { size } };
};

const page = (next: string | null, ...items: unknown[]): unknown => ({
  apiVersion: API_VERSION,
  metadata: { resourceVersion: "10", ...(next !== null && { continue: next }) },
  items,
});

let server: ScenarioServer;
let clock: FakeClock;
let client: ApiClient;
let reflector: Reflector;
let stop: AbortController;
/** Each call of onChange: what is known, and the keys it was about. */
let told: { readonly known: Record<string, number>; readonly keys: readonly string[] }[];

beforeEach(async () => {
  server = await createScenarioServer();
  clock = createFakeClock();
  client = createApiClient(plainAccess(server.url), clock);
  stop = new AbortController();
  told = [];
  reflector = createReflector<number>({
    client,
    watched: { path: PATH, apiVersion: API_VERSION, query: { labelSelector: "a=b" } },
    clock,
    random: () => 0,
    log: silentLog,
    select: (object) => (object as { spec: { size?: number } }).spec.size ?? null,
    onChange: (objects, keys) => void told.push({ known: Object.fromEntries(objects), keys }),
  });
});

afterEach(async () => {
  client.close();
  const verdict = server.verdict();
  await server.close();
  expect(verdict).toEqual([]);
  expect(clock.pending()).toBe(0);
});

const step = (): Promise<{ afterMs: number }> => reflector.step(stop.signal);

describe("a list", () => {
  test("is read page by page, told once and whole, and holds of each object what is selected", async () => {
    server.expect(list(null), json(200, page("t1", claim("ns/a", "1", 1), claim("ns/none", "1"))));
    server.expect(list("t1"), json(200, page(null, claim("other/a", "2", 2))));
    expect(await step()).toEqual({ afterMs: 0 });
    expect(told).toEqual([{ known: { "ns/a": 1, "other/a": 2 }, keys: ["ns/a", "other/a"] }]);
  });

  test("begins anew when the token of its next page grew old, and of the first pages nothing is told", async () => {
    server.expect(list(null), json(200, page("t1", claim("ns/gone", "1", 1))));
    server.expect(list("t1"), json(410, { kind: "Status", code: 410, reason: "Expired", message: "too old" }));
    expect(await step()).toEqual({ afterMs: 1000 });
    server.expect(list(null), json(200, page(null, claim("ns/a", "2", 2))));
    await step();
    expect(told).toEqual([{ known: { "ns/a": 2 }, keys: ["ns/a"] }]);
  });

  test("with pages that are too long is asked for in smaller ones", async () => {
    const long = json(200, page(null, { ...(claim("ns/a", "1", 1) as object), text: "x".repeat(4 * 1024 * 1024) }));
    for (const limit of ["50", "13", "4", "1"]) server.expect(list(null, limit), long);
    await step();
    expect(told).toEqual([{ known: { "ns/a": 1 }, keys: ["ns/a"] }]);
  });

  test.each([
    ["of another kind", { ...(page(null) as object), apiVersion: "v1" }],
    ["without items", { apiVersion: API_VERSION, metadata: { resourceVersion: "1" } }],
    ["without a version", { apiVersion: API_VERSION, metadata: {}, items: [] }],
    ["with an object that has no name", page(null, { metadata: {} })],
  ])("%s changes nothing, and is asked for again", async (_what, answer) => {
    server.expect(list(null), json(200, answer));
    expect(await step()).toEqual({ afterMs: 1000 });
    server.expect(list(null), json(200, page(null)));
    await step();
    expect(told).toEqual([{ known: {}, keys: [] }]);
  });

  test("ends at once when it is stopped", async () => {
    server.expect(list(null), silence);
    const pending = step();
    await vi.waitFor(() => expect(server.answered()).toBe(1), { interval: 2 });
    stop.abort();
    await pending;
    expect(told).toEqual([]);
  });

  test("is put off while the server wants to be left alone", async () => {
    server.expect(list(null), (response) => void response.writeHead(429, { "retry-after": "30" }).end("{}"));
    expect(await step()).toEqual({ afterMs: 30_000 });
  });
});

describe("a watch", () => {
  test("tells each event by its key, and forgets what is deleted or no longer selected", async () => {
    const stream = liveStream();
    server.expect(list(null), json(200, page(null, claim("ns/a", "1", 1), claim("ns/b", "1", 1))));
    server.expect(watchFrom("10"), stream.answer);
    await step();
    const pending = step();
    await vi.waitFor(() => expect(server.answered()).toBe(2), { interval: 2 });
    stream.send({ type: "MODIFIED", object: claim("ns/a", "11", 7) });
    stream.send({ type: "ADDED", object: claim("x/c", "12", 3) });
    stream.send({ type: "MODIFIED", object: claim("ns/b", "13") });
    stream.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: "20" } } });
    stream.send({ type: "DELETED", object: claim("ns/a", "21", 7) });
    stream.end();
    await pending;
    expect(told.slice(1)).toEqual([
      { known: { "ns/a": 7, "ns/b": 1 }, keys: ["ns/a"] },
      { known: { "ns/a": 7, "ns/b": 1, "x/c": 3 }, keys: ["x/c"] },
      { known: { "ns/a": 7, "x/c": 3 }, keys: ["ns/b"] },
      { known: { "x/c": 3 }, keys: ["ns/a"] },
    ]);
  });

  test("is followed by a list that tells of what went meanwhile", async () => {
    server.expect(list(null), json(200, page(null, claim("ns/a", "1", 1), claim("ns/b", "1", 1))));
    server.expect(watchFrom("10"), json(410, { kind: "Status", code: 410 }));
    server.expect(list(null), json(200, page(null, claim("ns/b", "9", 2))));
    await step();
    await step();
    await step();
    expect(told.at(-1)).toEqual({ known: { "ns/b": 2 }, keys: ["ns/a", "ns/b"] });
  });
});
