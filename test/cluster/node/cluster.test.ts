// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Cluster, createCluster } from "../../../src/cluster/node/cluster.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { createSliceServer } from "../dra/slice-server.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, json, type LiveStream, liveStream, type ScenarioServer, silence } from "../scenario-server.ts";

const PATH = "/apis/teeio.dev/v1alpha1/trustediommus";
const LIST = { method: "GET", path: PATH, query: { fieldSelector: "metadata.name=n1", limit: "50" } };

function watchFrom(resourceVersion: string): { method: string; path: string; query: Record<string, string> } {
  const query = { fieldSelector: "metadata.name=n1", watch: "true", allowWatchBookmarks: "true", resourceVersion, timeoutSeconds: "300" };
  return { method: "GET", path: PATH, query };
}

function object(resourceVersion: string, spec: unknown, metadata: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: "teeio.dev/v1alpha1",
    kind: "TrustedIommu",
    metadata: { name: "n1", uid: "u1", generation: 1, resourceVersion, ...metadata },
    spec,
  };
}

const TRUSTED = { state: "Trusted", units: { all: true } };
const CLEARED = { state: "Cleared", units: { all: true } };

function listOf(resourceVersion: string, ...items: unknown[]): unknown {
  return { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommuList", metadata: { resourceVersion }, items };
}

let server: ScenarioServer;
let clock: FakeClock;
let cluster: Cluster;
let changes: number;

beforeEach(async () => {
  server = await createScenarioServer();
  clock = createFakeClock();
  changes = 0;
  const access = plainAccess(server.url);
  const fatal = (thrown: unknown): void => expect.fail(String(thrown));
  cluster = createCluster({ access, node: "n1", clock, random: () => 0, log: silentLog, metrics: noMetrics, onFatal: fatal });
  cluster.intent.onChange(() => {
    changes += 1;
  });
});

afterEach(async () => {
  await cluster.stop();
  const verdict = server.verdict();
  await server.close();
  expect(verdict).toEqual([]);
  expect(clock.pending()).toBe(0);
});

async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { interval: 2, timeout: 5000 });
}

/** Lets the next attempt begin: waits until one is planned, then moves to it. */
async function passPause(ms: number): Promise<void> {
  await until(() => clock.nextDueMs() === clock.nowMs() + ms);
  await clock.advance(ms);
}

async function watching(): Promise<LiveStream> {
  const stream = liveStream();
  server.expect(LIST, json(200, listOf("10", object("5", TRUSTED))));
  server.expect(watchFrom("10"), stream.answer);
  cluster.start();
  await until(() => server.answered() === 2);
  return stream;
}

const stateNow = (): string | undefined => cluster.intent.current()?.intent?.state;

describe("the intent", () => {
  test("is unknown before the first answer, and comes from the list", async () => {
    expect(cluster.intent.current()).toBe(null);
    await watching();
    expect(cluster.intent.current()).toEqual({
      intent: { state: "Trusted", units: { all: true }, resources: [], link: { enable: "Never" } },
      generation: 1,
      problem: "",
    });
    expect(changes).toBe(1);
  });

  test("is at rest when there is no object", async () => {
    server.expect(LIST, json(200, listOf("10")));
    server.expect(watchFrom("10"), liveStream().answer);
    cluster.start();
    await until(() => server.answered() === 2);
    expect(cluster.intent.current()).toEqual({ intent: null, generation: 0, problem: "" });
  });

  test("follows changes and deletion", async () => {
    const stream = await watching();
    stream.send({ type: "MODIFIED", object: object("11", CLEARED, { generation: 2 }) });
    await until(() => stateNow() === "Cleared");
    expect(cluster.intent.current()?.generation).toBe(2);
    stream.send({ type: "DELETED", object: object("12", CLEARED) });
    await until(() => cluster.intent.current()?.intent === null);
    expect(changes).toBe(3);
  });

  test("does not change when only the status does", async () => {
    const stream = await watching();
    stream.send({ type: "MODIFIED", object: { ...object("11", TRUSTED), status: { summary: "x" } } });
    stream.send({ type: "MODIFIED", object: object("12", CLEARED, { generation: 2 }) });
    await until(() => stateNow() === "Cleared");
    expect(changes).toBe(2);
  });

  test("stays the last good one when a newer object is invalid, and the watch goes on", async () => {
    const stream = await watching();
    stream.send({ type: "MODIFIED", object: object("11", { ...TRUSTED, resorces: [] }, { generation: 2 }) });
    await until(() => cluster.intent.current()?.problem !== "");
    expect(cluster.intent.current()).toMatchObject({
      generation: 1,
      intent: { state: "Trusted" },
      problem: expect.stringContaining("spec.resorces"),
    });
    stream.send({ type: "MODIFIED", object: object("12", CLEARED, { generation: 3 }) });
    await until(() => stateNow() === "Cleared");
    expect(cluster.intent.current()).toMatchObject({ generation: 3, problem: "" });
  });

  test("of a deleted object is over, also when an invalid one takes its place", async () => {
    const stream = await watching();
    stream.reset();
    server.expect(watchFrom("10"), json(410, { kind: "Status", code: 410, reason: "Expired", message: "too old" }));
    server.expect(LIST, json(200, listOf("20", object("15", {}, { uid: "u2" }))));
    server.expect(watchFrom("20"), liveStream().answer);
    await passPause(1000);
    await passPause(2000);
    await until(() => cluster.intent.current()?.intent === null);
    expect(cluster.intent.current()?.problem).toContain("spec.state");
    await until(() => server.answered() === 5);
  });
});

describe("the watch", () => {
  test("resumes from the last bookmark when the server ends it in order", async () => {
    const stream = await watching();
    stream.send({ type: "BOOKMARK", object: object("30", undefined, { name: "" }) });
    await clock.advance(6000);
    server.expect(watchFrom("30"), liveStream().answer);
    stream.end();
    await until(() => server.answered() === 3);
  });

  test("resumes from the last event a second after a reset in the middle of a line", async () => {
    const stream = await watching();
    stream.send({ type: "MODIFIED", object: object("11", CLEARED, { generation: 2 }) });
    stream.sendText('{"type":"MODIFIED","obj');
    await until(() => stateNow() === "Cleared");
    server.expect(watchFrom("11"), liveStream().answer);
    stream.reset();
    await passPause(1000);
    await until(() => server.answered() === 3);
  });

  test("lists again after 410 in the stream", async () => {
    const stream = await watching();
    server.expect(LIST, json(200, listOf("50", object("45", CLEARED))));
    server.expect(watchFrom("50"), liveStream().answer);
    stream.send({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" } });
    await passPause(1000);
    await until(() => server.answered() === 4);
    expect(stateNow()).toBe("Cleared");
  });

  test("lists again after something that is no event", async () => {
    const stream = await watching();
    server.expect(LIST, json(200, listOf("50", object("45", CLEARED))));
    server.expect(watchFrom("50"), liveStream().answer);
    stream.sendText("<html>502</html>\n");
    await passPause(1000);
    await until(() => server.answered() === 4);
  });

  test("takes a silent stream for dead", async () => {
    const stream = await watching();
    await until(() => clock.nextDueMs() === clock.nowMs() + 150_000);
    await clock.advance(100_000);
    stream.send({ type: "BOOKMARK", object: object("30", undefined) });
    await until(() => clock.nextDueMs() === clock.nowMs() + 150_000);
    server.expect(watchFrom("30"), liveStream().answer);
    await clock.advance(150_000);
    await passPause(1000);
    await until(() => server.answered() === 3);
  });

  test("waits longer after each failing list, and gives up none", async () => {
    server.expect(LIST, json(500, { kind: "Status", message: "etcd is gone" }));
    server.expect(LIST, json(403, { kind: "Status", message: "forbidden" }));
    server.expect(LIST, silence);
    server.expect(LIST, json(200, { kind: "Nonsense" }));
    server.expect(LIST, json(200, listOf("10", object("5", TRUSTED))));
    server.expect(watchFrom("10"), liveStream().answer);
    cluster.start();
    await passPause(1000);
    await passPause(2000);
    await until(() => server.answered() === 3);
    await passPause(15_000);
    await passPause(4000);
    await passPause(8000);
    await until(() => server.answered() === 6);
    expect(stateNow()).toBe("Trusted");
  });

  test("ignores objects of other nodes", async () => {
    const stream = await watching();
    stream.send({ type: "MODIFIED", object: object("11", CLEARED, { name: "n2" }) });
    stream.send({ type: "MODIFIED", object: object("12", TRUSTED, { generation: 4 }) });
    await until(() => cluster.intent.current()?.generation === 4);
    expect(changes).toBe(2);
  });
});

describe("slices and claims", () => {
  test("are nobody's business without DRA", () => {
    expect([cluster.slices, cluster.claims]).toEqual([null, null]);
  });

  test("are watched where DRA is wanted, and their Node is asked for before a slice is made", async () => {
    const other = await createSliceServer();
    const fatal = (thrown: unknown): void => expect.fail(String(thrown));
    const access = plainAccess(other.url);
    const wanted = createCluster({ access, node: "n1", clock, random: () => 0, log: silentLog, metrics: noMetrics, dra: true, onFatal: fatal });
    wanted.start();
    await until(() => other.isWatched());
    await clock.advance(100);
    const device = { address: "0000:17:00.0", owner: "0000:17:00.0", attributes: {}, streams: 0, taints: [], bindsWhenSecured: false } as const;
    wanted.slices?.publish([{ name: "n1/pci0000-16", devices: [device], streams: null }]);
    await until(() => other.slices().length > 0);
    expect(other.requests).toContain("GET /api/v1/nodes/n1");
    expect(wanted.claims?.current()).toMatchObject({ kind: "Unreadable" });
    await wanted.stop();
    await other.close();
  });
});
