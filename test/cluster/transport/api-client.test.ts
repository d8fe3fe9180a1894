// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { retryAfterMs } from "../../../src/cluster/transport/api-error.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, type ExpectedRequest, json, type ScenarioServer } from "../scenario-server.ts";

const GET: ExpectedRequest = { method: "GET", path: "/api/v1/pods" };
const STREAM = { openWithinMs: 1_000, silenceMs: 1_000, onLine: () => undefined };

let server: ScenarioServer;
let clock: FakeClock;
let client: ApiClient;

beforeEach(async () => {
  server = await createScenarioServer();
  clock = createFakeClock();
  client = createApiClient(plainAccess(server.url), clock);
});

afterEach(async () => {
  client.close();
  const verdict = server.verdict();
  await server.close();
  expect(verdict).toEqual([]);
  expect(clock.pending()).toBe(0);
});

const ask = (): Promise<unknown> => client.call({ method: "GET", path: GET.path, deadlineMs: 1_000 });
const refusing =
  (status: number, retryAfter: string) =>
  (response: { writeHead(status: number, headers: Record<string, string>): { end(text: string): unknown } }): void =>
    void response.writeHead(status, { "retry-after": retryAfter }).end(JSON.stringify({ kind: "Status", message: "too many requests" }));

describe("a server that asks to be left alone", () => {
  test.each([429, 503])("is, by every request, and each failure has the words of the answer: %i", async (status) => {
    server.expect(GET, refusing(status, "7"));
    const first = await ask().catch((thrown: unknown) => thrown);
    expect(first).toMatchObject({ code: "API_UNREACHABLE", details: { status, retryAfterMs: 7_000 } });
    await clock.advance(3_000);
    // The scenario has no further request: one that is sent is a failure of the test.
    await expect(ask()).rejects.toMatchObject({ code: "API_UNREACHABLE", message: (first as Error).message, details: { retryAfterMs: 4_000 } });
    const signal = new AbortController().signal;
    await expect(client.stream({ ...STREAM, path: GET.path, query: {}, signal })).rejects.toMatchObject({ code: "API_UNREACHABLE" });
    await clock.advance(4_000);
    server.expect(GET, json(200, { items: [] }));
    expect(await ask()).toEqual({ items: [] });
  });

  test("is not heard in an answer that is no sign of load", async () => {
    server.expect(GET, refusing(403, "7"));
    await expect(ask()).rejects.toMatchObject({ code: "API_REFUSED" });
    server.expect(GET, json(200, {}));
    await ask();
  });
});

test("a request under way goes on while connections are closed, and a later one opens its own", async () => {
  let answer = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    server.expect(GET, (response) => {
      answer = () => void response.end('{"late":true}');
      resolve();
    });
  });
  const pending = ask();
  await asked;
  client.close();
  answer();
  expect(await pending).toEqual({ late: true });
  server.expect(GET, json(200, {}));
  expect(await ask()).toEqual({});
});

test("a DELETE has its body, and the next request over the same connection is its own", async () => {
  const body = { preconditions: { uid: "u1" } };
  server.expect({ method: "DELETE", path: "/x", body }, json(200, {}));
  await client.call({ method: "DELETE", path: "/x", body, deadlineMs: 1000 });
  server.expect(GET, json(200, {}));
  await ask();
});

describe("Retry-After", () => {
  const NOW = Date.UTC(2026, 0, 1);

  test.each([
    ["7", 7_000],
    ["0", 0],
    ["86400", 60_000],
    ["Thu, 01 Jan 2026 00:00:09 GMT", 9_000],
    ["Thu, 01 Jan 2015 00:00:00 GMT", 0],
    ["soon", null],
    ["-1x", null],
    [undefined, null],
  ])("%s is %s ms", (header, expected) => {
    expect(retryAfterMs(header, NOW)).toBe(expected);
  });
});
