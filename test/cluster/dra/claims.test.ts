// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Claims, createClaims } from "../../../src/cluster/dra/claims.ts";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import type { NodeClaim } from "../../../src/domain/dra/claim.ts";
import { createJobs, type Jobs } from "../../../src/runtime/jobs.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, type ExpectedRequest, json, type LiveStream, liveStream, type ScenarioServer, silence } from "../scenario-server.ts";
import { claimObject, SECURED } from "./objects.ts";

const PATH = "/apis/resource.k8s.io/v1/resourceclaims";
const ONE = "/apis/resource.k8s.io/v1/namespaces/tenant/resourceclaims/vm-gpus-x7k2p";
const REF = { namespace: "tenant", name: "vm-gpus-x7k2p", uid: "c-1" };
const NOT_FOUND = { kind: "Status", code: 404, reason: "NotFound", message: "not found" };

const list = (token: string | null = null): ExpectedRequest => ({
  method: "GET",
  path: PATH,
  query: { limit: "50", ...(token !== null && { continue: token }) },
});

const watchFrom = (resourceVersion: string): ExpectedRequest => ({
  method: "GET",
  path: PATH,
  query: { watch: "true", allowWatchBookmarks: "true", resourceVersion, timeoutSeconds: "300" },
});

const page = (next: string | null, ...items: unknown[]): unknown => ({
  apiVersion: "resource.k8s.io/v1",
  kind: "ResourceClaimList",
  metadata: { resourceVersion: "1000", ...(next !== null && { continue: next }) },
  items,
});

const elsewhere = claimObject({ name: "other", uid: "c-9" }, { allocation: undefined });

let server: ScenarioServer;
let clock: FakeClock;
let client: ApiClient;
let jobs: Jobs;
let claims: Claims;
let changes: number;
let warnings: string[];

beforeEach(async () => {
  server = await createScenarioServer();
  clock = createFakeClock();
  client = createApiClient(plainAccess(server.url), clock);
  warnings = [];
  const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
  const onFatal = (thrown: unknown): void => expect.fail(String(thrown));
  jobs = createJobs({ owner: "cluster", clock, log, metrics: noMetrics, random: () => 0, onFatal });
  claims = createClaims({ client, node: "n1", clock, random: () => 0, log });
  changes = 0;
  claims.port.onChange(() => {
    changes += 1;
  });
});

afterEach(async () => {
  await jobs.stop();
  client.close();
  const verdict = server.verdict();
  await server.close();
  expect(verdict).toEqual([]);
  expect(clock.pending()).toBe(0);
});

const until = (condition: () => boolean): Promise<void> => vi.waitFor(() => expect(condition()).toBe(true), { interval: 2, timeout: 5000 });

async function passPause(ms: number): Promise<void> {
  await until(() => clock.nextDueMs() === clock.nowMs() + ms);
  await clock.advance(ms);
}

const names = (): readonly string[] | null => {
  const view = claims.port.current();
  return view?.kind === "Read" ? view.value.map(({ name }) => name) : null;
};

async function watching(...items: unknown[]): Promise<LiveStream> {
  const stream = liveStream();
  server.expect(list(), json(200, page(null, ...items)));
  server.expect(watchFrom("1000"), stream.answer);
  claims.start(jobs);
  await until(() => server.answered() === 2);
  return stream;
}

describe("the watch", () => {
  test("shows claims of this node, in order, and is silent about others", async () => {
    expect(claims.port.current()).toBeNull();
    const stream = await watching(claimObject(), elsewhere, claimObject({ name: "b", namespace: "a" }));
    expect(names()).toEqual(["b", "vm-gpus-x7k2p"]);
    expect(changes).toBe(1);
    stream.send({ type: "MODIFIED", object: claimObject({ name: "other", resourceVersion: "1001" }, { allocation: undefined }) });
    stream.send({ type: "DELETED", object: claimObject({ name: "b", namespace: "a", resourceVersion: "1002" }) });
    await until(() => names()?.length === 1);
    stream.send({ type: "MODIFIED", object: claimObject({ resourceVersion: "1003" }, { allocation: undefined }) });
    await until(() => names()?.length === 0);
    expect(changes).toBe(3);
  });

  test("of a kind that the API server does not have is tried again after ten minutes, with one warning", async () => {
    const absent = json(404, "404 page not found");
    for (let count = 0; count < 3; count += 1) server.expect(list(), absent);
    server.expect(list(), json(200, page(null)));
    server.expect(watchFrom("1000"), liveStream().answer);
    claims.start(jobs);
    await until(() => claims.port.current() !== null);
    expect(claims.port.current()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("Kubernetes 1.34") });
    for (let count = 0; count < 3; count += 1) await passPause(600_000);
    await until(() => server.answered() === 5);
    expect(names()).toEqual([]);
    expect(warnings).toEqual(["claims unreadable"]);
  });

  test("that is refused says why; one that only is not answered leaves what was known", async () => {
    server.expect(list(), json(403, { kind: "Status", message: "resourceclaims is forbidden" }));
    server.expect(list(), json(500, { kind: "Status", message: "etcd" }));
    server.expect(list(), json(200, { ...(page(null, claimObject({ uid: 1 })) as object) }));
    claims.start(jobs);
    await until(() => claims.port.current() !== null);
    expect(claims.port.current()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("forbidden") });
    await passPause(1000);
    await until(() => server.answered() === 2);
    expect(claims.port.current()).toMatchObject({ why: expect.stringContaining("forbidden") });
    await passPause(2000);
    await until(() => changes === 2);
    expect(claims.port.current()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("uid") });
  });
});

describe("a claim", () => {
  test("is read afresh, also when it gives nothing of this node away any more", async () => {
    server.expect({ method: "GET", path: ONE }, json(200, claimObject()));
    expect(await claims.port.get(REF)).toMatchObject({ uid: "c-1", devices: [{}, {}] });
    server.expect({ method: "GET", path: ONE }, json(200, claimObject({}, { allocation: undefined })));
    expect(await claims.port.get(REF)).toMatchObject({ uid: "c-1", devices: [] });
  });

  test("that was made again under its name is another one, and one that is gone is none", async () => {
    server.expect({ method: "GET", path: ONE }, json(200, claimObject({ uid: "c-2" })));
    expect(await claims.port.get(REF)).toBeNull();
    server.expect({ method: "GET", path: ONE }, json(404, NOT_FOUND));
    expect(await claims.port.get(REF)).toBeNull();
  });

  test.each([
    ["a 404 that is not the API server's word on it", 404, "404 page not found", "API_REFUSED"],
    ["missing rights", 403, { kind: "Status", reason: "Forbidden" }, "API_REFUSED"],
    ["a server that fails", 500, { kind: "Status" }, "API_UNREACHABLE"],
    ["an answer that is no claim", 200, { kind: "ResourceClaim" }, "API_UNREACHABLE"],
  ])("is not known to be gone by %s", async (_what, status, body, code) => {
    server.expect({ method: "GET", path: ONE }, json(status, body));
    await expect(claims.port.get(REF)).rejects.toMatchObject({ code });
  });
});

describe("the list", () => {
  test("is read page by page, and of the claims only this node's", async () => {
    server.expect(list(), json(200, page("t1", claimObject({ namespace: "z" }), elsewhere)));
    server.expect(list("t1"), json(200, page(null, claimObject({ namespace: "a" }))));
    expect(await claims.port.list()).toMatchObject({ kind: "Read", value: [{ namespace: "a" }, { namespace: "z" }] });
  });

  test("begins anew when a later page is gone, and is unreadable when that happens again and again", async () => {
    server.expect(list(), json(200, page("t1", claimObject())));
    server.expect(list("t1"), json(410, { kind: "Status", code: 410 }));
    server.expect(list(), json(200, page(null)));
    expect(await claims.port.list()).toEqual({ kind: "Read", value: [] });
    for (let count = 0; count < 4; count += 1) server.expect(list(), json(410, { kind: "Status", code: 410 }));
    expect(await claims.port.list()).toMatchObject({ kind: "Unreadable" });
  });

  test.each([
    ["the API server has no such kind", 404, "404 page not found", "Kubernetes 1.34"],
    ["it is refused", 403, { message: "forbidden" }, "forbidden"],
    ["the answer is of another kind", 200, { apiVersion: "v1", items: [] }, "not of resource.k8s.io/v1"],
  ])("is unreadable when %s", async (_what, status, body, why) => {
    server.expect(list(), json(status, body));
    expect(await claims.port.list()).toEqual({ kind: "Unreadable", why: expect.stringContaining(why) });
  });

  test("is unreadable when no answer comes", async () => {
    server.expect(list(), silence);
    const view = claims.port.list();
    await until(() => server.answered() === 1);
    await clock.advance(30_000);
    expect(await view).toMatchObject({ kind: "Unreadable" });
  });
});

describe("conditions", () => {
  const claim: NodeClaim = {
    ...REF,
    resourceVersion: "700",
    isForExtendedResources: false,
    podClaimName: null,
    reservedFor: [],
    devices: [],
    parameters: [],
  };
  const devices = [{ pool: "n1/pci0000-16", device: "0000-17-00-0", conditions: [SECURED as NodeClaim["devices"][0]["conditions"][0]] }];
  const request: ExpectedRequest = {
    method: "PATCH",
    path: `${ONE}/status`,
    query: { fieldManager: "trusted-iommu-agent", force: "true" },
    contentType: "application/apply-patch+yaml",
    body: {
      apiVersion: "resource.k8s.io/v1",
      kind: "ResourceClaim",
      metadata: { namespace: "tenant", name: "vm-gpus-x7k2p", uid: "c-1", resourceVersion: "700" },
      status: { devices: [{ driver: "teeio.dev", pool: "n1/pci0000-16", device: "0000-17-00-0", conditions: [SECURED] }] },
    },
  };

  test("are applied to this allocation of this claim", async () => {
    server.expect(request, json(200, claimObject()));
    expect(await claims.port.apply(claim, devices)).toBe("Applied");
  });

  test.each([404, 409, 422])("of a claim that is over are answered with %d", async (status) => {
    server.expect(request, json(status, { kind: "Status", code: status, message: "no" }));
    expect(await claims.port.apply(claim, devices)).toBe("Over");
  });

  test.each([
    [403, "API_REFUSED"],
    [500, "API_UNREACHABLE"],
  ])("that are not taken now fail with %d", async (status, code) => {
    server.expect(request, json(status, { kind: "Status" }));
    await expect(claims.port.apply(claim, devices)).rejects.toMatchObject({ code });
  });

  test("that the server finds invalid are told to a person once: missing rights are answered like that", async () => {
    for (let count = 0; count < 2; count += 1) {
      server.expect(request, json(422, { kind: "Status", message: "changing status.devices requires permission on resourceclaims/driver" }));
      await claims.port.apply(claim, devices);
    }
    expect(warnings).toEqual(["conditions refused"]);
  });
});
