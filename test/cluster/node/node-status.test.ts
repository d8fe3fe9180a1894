// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createEventQueue, type EventQueue } from "../../../src/cluster/node/events.ts";
import type { Held } from "../../../src/cluster/node/held-object.ts";
import { createNodeStatus, type NodeStatusWriter } from "../../../src/cluster/node/node-status.ts";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { AGENT } from "../../support/node-status.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, type ExpectedRequest, json, type ScenarioServer, silence } from "../scenario-server.ts";

const PATH = "/apis/teeio.dev/v1alpha1/trustediommus/n1";

const STATUS: NodeStatus = {
  agent: AGENT,
  observedGeneration: 1,
  bootId: "b",
  simulated: true,
  tdxModule: { version: "", connect: true, driver: "simulated", environment: "Ok", instance: "" },
  summary: "all well",
  counts: { unitsSelected: 0, unitsTrusted: 0, functions: 0, devicesOffered: 0, devicesWithheld: 0 },
  units: [],
  otherUnits: [],
  devices: [],
  conditions: [],
};

function apply(status: NodeStatus): ExpectedRequest {
  return {
    method: "PATCH",
    path: `${PATH}/status`,
    query: { fieldManager: "trusted-iommu-agent", force: "true" },
    contentType: "application/apply-patch+yaml",
    body: { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", metadata: { name: "n1" }, status },
  };
}

const OK = json(200, {});
const present = (uid: string, status: unknown = undefined): Held => ({ view: { intent: null, generation: 1, problem: "" }, uid, status });
const absent: Held = { view: { intent: null, generation: 0, problem: "" }, uid: null, status: undefined };

let server: ScenarioServer;
let clock: FakeClock;
let client: ApiClient;
let held: Held | null;
let status: NodeStatusWriter;

beforeEach(async () => {
  server = await createScenarioServer();
  clock = createFakeClock();
  held = present("u1");
  client = createApiClient(plainAccess(server.url), clock);
  status = createNodeStatus({ client, path: PATH, node: "n1", held: () => held });
});

afterEach(async () => {
  client.close();
  const verdict = server.verdict();
  await server.close();
  expect(verdict).toEqual([]);
  expect(clock.pending()).toBe(0);
});

describe("the status", () => {
  test("is applied to the status subresource, and not again while it is the same", async () => {
    server.expect(apply(STATUS), OK);
    await status.write(STATUS);
    await status.write({ ...STATUS });
    server.expect(apply({ ...STATUS, summary: "other" }), OK);
    await status.write({ ...STATUS, summary: "other" });
  });

  test("is applied one write at a time, in order", async () => {
    const second = { ...STATUS, summary: "second" };
    server.expect(apply(STATUS), OK);
    server.expect(apply(second), OK);
    await Promise.all([status.write(STATUS), status.write(second)]);
  });

  test("has no place while there is no object, and is written again when the object is a new one", async () => {
    held = absent;
    await status.write(STATUS);
    held = present("u1");
    server.expect(apply(STATUS), OK);
    await status.write(STATUS);
    await status.rewrite();
    held = present("u2");
    server.expect(apply(STATUS), OK);
    await status.rewrite();
  });

  test("is tried again after a refusal, which says why", async () => {
    server.expect(apply(STATUS), json(422, { kind: "Status", reason: "Invalid", message: "status.units[0].reason: Unsupported value" }));
    await expect(status.write(STATUS)).rejects.toMatchObject({
      code: "API_REFUSED",
      details: { status: 422, reason: "Invalid" },
      message: expect.stringContaining("Unsupported value"),
    });
    server.expect(apply(STATUS), json(404, { kind: "Status", reason: "NotFound", message: "not found" }));
    await expect(status.write(STATUS)).rejects.toMatchObject({ code: "API_REFUSED", details: { status: 404 } });
    server.expect(apply(STATUS), json(409, { kind: "Status", reason: "Conflict", message: "conflict" }));
    await expect(status.write(STATUS)).rejects.toMatchObject({ code: "API_REFUSED", details: { status: 409 } });
    server.expect(apply(STATUS), OK);
    await status.write(STATUS);
  });

  test("is unreachable on 5xx, 429, a reset and a server that never answers", async () => {
    for (const code of [500, 503, 429]) {
      server.expect(apply(STATUS), (response) => void response.writeHead(code).end("<html>"));
      await expect(status.write(STATUS)).rejects.toMatchObject({ code: "API_UNREACHABLE" });
    }
    // The server resets twice: a kept connection is tried once more.
    const reset = (response: { socket: { resetAndDestroy(): unknown } | null }): void => void response.socket?.resetAndDestroy();
    server.expect(apply(STATUS), reset);
    server.expect(apply(STATUS), reset);
    await expect(status.write(STATUS)).rejects.toMatchObject({ code: "API_UNREACHABLE" });
    server.expect(apply(STATUS), silence);
    const hanging = expect(status.write(STATUS)).rejects.toMatchObject({ code: "API_UNREACHABLE", message: expect.stringContaining("10000 ms") });
    await vi.waitFor(() => expect(server.answered()).toBe(6), { interval: 2 });
    await clock.advance(10_000);
    await hanging;
  });

  test("of an earlier run is read from the watched object, or from the server before the first list", async () => {
    held = present("u1", STATUS);
    expect(await status.readLast()).toEqual(STATUS);
    held = present("u1", { summary: "of another version" });
    expect(await status.readLast()).toMatchObject({ summary: "of another version", units: [], devices: [] });
    held = present("u1", { units: "not a list" });
    expect(await status.readLast()).toBe(null);
    held = null;
    server.expect({ method: "GET", path: PATH }, json(200, { status: STATUS }));
    expect(await status.readLast()).toEqual(STATUS);
    server.expect({ method: "GET", path: PATH }, json(404, { kind: "Status", message: "not found" }));
    expect(await status.readLast()).toBe(null);
    server.expect({ method: "GET", path: PATH }, json(500, {}));
    await expect(status.readLast()).rejects.toMatchObject({ code: "API_UNREACHABLE" });
  });
});

describe("events", () => {
  const event = { type: "Warning", reason: "UnitFailed", about: "0xfed90000", message: "0xfed90000: SETUP failed" } as const;
  const sent = (reason: string, note: string): ExpectedRequest => ({
    method: "POST",
    path: "/apis/events.k8s.io/v1/namespaces/default/events",
    body: {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { namespace: "default", name: expect.any(String) },
      eventTime: "2026-01-01T00:00:00.000000Z",
      type: "Warning",
      reason,
      action: reason,
      note,
      reportingController: "teeio.dev/trusted-iommu-agent",
      reportingInstance: "n1",
      regarding: { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", name: "n1", uid: "u1" },
    },
  });

  let wakes: number;
  let events: EventQueue;

  beforeEach(() => {
    wakes = 0;
    const wake = (): void => {
      wakes += 1;
    };
    events = createEventQueue({ client, node: "n1", clock, random: () => 0, log: silentLog, uid: () => "u1", wake });
  });

  /** The name holds the time and the random part, both fixed here. */
  const named = (request: ExpectedRequest): ExpectedRequest => ({
    ...request,
    body: { ...(request.body as object), metadata: { namespace: "default", name: `n1.${Date.UTC(2026, 0, 1).toString(16)}0` } },
  });

  const NAME = `n1.${Date.UTC(2026, 0, 1).toString(16)}0`;
  const counted = (count: number, lastObservedTime: string): ExpectedRequest => ({
    method: "PATCH",
    path: `/apis/events.k8s.io/v1/namespaces/default/events/${NAME}`,
    contentType: "application/merge-patch+json",
    body: { series: { count, lastObservedTime } },
  });

  test("are sent once, and again only when the same reason about the same object has not come for ten minutes", async () => {
    server.expect(named(sent("UnitFailed", event.message)), json(201, {}));
    events.add(event);
    expect(await events.send()).toBe(undefined);
    await clock.advance(600_000);
    events.add(event);
    expect(wakes).toBe(2);
  });

  test("of one reason about one object are one with a count, whatever their texts, and it is told once a minute", async () => {
    server.expect(named(sent("UnitFailed", event.message)), json(201, {}));
    events.add(event);
    await events.send();
    for (let second = 1; second <= 25; second += 1) {
      await clock.advance(1_000);
      events.add({ ...event, message: `attempt ${second}` });
    }
    expect(wakes).toBe(2);
    expect(await events.send()).toEqual({ afterMs: 35_000 });
    await clock.advance(35_000);
    server.expect(counted(26, "2026-01-01T00:00:25.000000Z"), json(200, {}));
    expect(await events.send()).toBe(undefined);
    events.add(event);
    expect(await events.send()).toEqual({ afterMs: 60_000 });
  });

  test("about another object are others", async () => {
    for (const about of ["0xfed90000", "0x1000"]) {
      events.add({ ...event, about });
      server.expect(named(sent("UnitFailed", event.message)), json(201, {}));
    }
    await events.send();
  });

  test("whose object is gone by the time of their count begin anew", async () => {
    server.expect(named(sent("UnitFailed", event.message)), json(201, {}));
    events.add(event);
    await events.send();
    events.add(event);
    await clock.advance(60_000);
    server.expect(counted(2, "2026-01-01T00:00:00.000000Z"), json(404, { kind: "Status", message: "not found" }));
    await events.send();
    events.add(event);
    const later = named(sent("UnitFailed", event.message)).body as object;
    const name = `n1.${(Date.UTC(2026, 0, 1) + 60_000).toString(16)}0`;
    const body = { ...later, metadata: { namespace: "default", name }, eventTime: "2026-01-01T00:01:00.000000Z" };
    server.expect({ ...sent("UnitFailed", event.message), body }, json(201, {}));
    await events.send();
  });

  test("wait while the server is unreachable, and are dropped when it refuses them", async () => {
    events.add(event);
    events.add({ ...event, reason: "Degraded" });
    server.expect(named(sent("UnitFailed", event.message)), json(503, {}));
    await expect(events.send()).rejects.toMatchObject({ code: "API_UNREACHABLE" });
    server.expect(named(sent("UnitFailed", event.message)), json(403, {}));
    server.expect(named(sent("Degraded", event.message)), json(201, {}));
    await events.send();
  });

  test("have notes of at most 1 KiB, cut between characters", async () => {
    events.add({ ...event, message: "ü".repeat(600) });
    server.expect(named(sent("UnitFailed", "ü".repeat(510))), json(201, {}));
    await events.send();
  });

  test("are bounded: the oldest go first", async () => {
    for (let index = 0; index < 70; index++) events.add({ ...event, about: String(index), message: String(index) });
    for (let index = 6; index < 70; index++) server.expect(named(sent("UnitFailed", String(index))), json(201, {}));
    await events.send();
  });
});
