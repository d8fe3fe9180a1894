// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createNodePods } from "../../../src/cluster/node/node-pods.ts";
import { podFrom } from "../../../src/cluster/node/pod.ts";
import { wholeQuantity } from "../../../src/cluster/node/quantity.ts";
import type { NodePodsPort } from "../../../src/cluster/port.ts";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, json, type ScenarioServer, silence } from "../scenario-server.ts";

const list = (token: string | null, limit = "50"): { method: string; path: string; query: Record<string, string> } => ({
  method: "GET",
  path: "/api/v1/pods",
  query: { fieldSelector: "spec.nodeName=n1", limit, ...(token !== null && { continue: token }) },
});

type Amounts = Record<string, string>;
const container = (requests: Amounts, restartPolicy?: string): unknown => ({ name: "c", resources: { requests }, restartPolicy });

function pod(name: string, spec: object, more: { phase?: string; deletionTimestamp?: string } = {}): unknown {
  const { phase = "Running", ...metadata } = more;
  return { metadata: { namespace: "ns", name, uid: `uid-${name}`, ...metadata }, spec: { nodeName: "n1", ...spec }, status: { phase } };
}

const GPU = "teeio.dev/gpu";
const OURS = new Set(["teeio.dev"]);
/** What a kubelet without an API server showed is no business of the API. */
const UNKNOWN: ReadonlySet<string> = new Set();

describe("the node's pods", () => {
  let server: ScenarioServer;
  let clock: FakeClock;
  let client: ApiClient;
  let pods: NodePodsPort;

  beforeEach(async () => {
    server = await createScenarioServer();
    clock = createFakeClock();
    client = createApiClient(plainAccess(server.url), clock);
    pods = createNodePods(client, "n1", clock);
  });

  afterEach(async () => {
    client.close();
    const verdict = server.verdict();
    await server.close();
    expect(verdict).toEqual([]);
    expect(clock.pending()).toBe(0);
  });

  test("are asked for no further, when the list is given up, than the page that was asked for", async () => {
    let answer = (): void => undefined;
    let calls = 0;
    const call = (): Promise<unknown> => {
      calls += 1;
      return new Promise((resolve) => {
        answer = () => resolve({ items: [], metadata: { continue: "t" } });
      });
    };
    const view = createNodePods({ call } as unknown as ApiClient, "n1", clock).observe(OURS, UNKNOWN);
    await vi.waitFor(() => expect(calls).toBe(1));
    await clock.advance(60_000);
    expect(await view).toMatchObject({ kind: "Unreadable" });
    answer();
    await new Promise(setImmediate);
    expect(calls).toBe(1);
  });

  test("are read page by page, terminating and finished ones included, and those that ask for nothing of ours left out", async () => {
    const first = pod("a", { containers: [container({ [GPU]: "1", cpu: "100m" })] });
    const idle = pod("idle", { containers: [container({ cpu: "1", "nvidia.com/gpu": "1" })] });
    const second = pod("b", { containers: [container({ [GPU]: "2" })] }, { phase: "Succeeded", deletionTimestamp: "2026-01-01T00:00:00Z" });
    server.expect(list(null), json(200, { metadata: { continue: "t1" }, items: [first, idle] }));
    server.expect(list("t1"), json(200, { metadata: {}, items: [second] }));
    const one = { name: "c", role: "Main", state: "Waiting", claims: {} };
    const known = { namespace: "ns", hasRunning: false };
    expect(await pods.observe(OURS, UNKNOWN)).toEqual({
      kind: "Read",
      domains: OURS,
      pods: [
        { ...known, name: "a", uid: "uid-a", phase: "Running", terminating: false, containers: [{ ...one, asks: { [GPU]: 1 } }] },
        { ...known, name: "b", uid: "uid-b", phase: "Succeeded", terminating: true, containers: [{ ...one, asks: { [GPU]: 2 } }] },
      ],
    });
  });

  const refusals: [string, number, unknown][] = [
    ["a server that fails", 500, { message: "etcd" }],
    ["missing rights", 403, { message: "forbidden" }],
    ["an answer that is no list", 200, { items: null }],
    ["one pod that is none", 200, { items: [{ metadata: {} }] }],
  ];
  test.each(refusals)("are unreadable on %s", async (_name, status, body) => {
    server.expect(list(null), json(status, body));
    expect(await pods.observe(OURS, UNKNOWN)).toMatchObject({ kind: "Unreadable", why: expect.stringMatching(/./) });
  });

  test.each(["1Ei", "some", "-1", "1500m"])("are readable with a pod that asks for %s of another domain", async (amount) => {
    server.expect(list(null), json(200, { items: [pod("a", { containers: [container({ "example.com/x": amount })] })] }));
    expect(await pods.observe(OURS, UNKNOWN)).toEqual({ kind: "Read", domains: OURS, pods: [] });
  });

  test.each(["some", "-1", "1500m", "1Zi"])("are readable with a pod that asks for %s of ours, which may be any amount", async (amount) => {
    server.expect(list(null), json(200, { items: [pod("a", { containers: [container({ [GPU]: amount })] })] }));
    expect(await pods.observe(OURS, UNKNOWN)).toMatchObject({ kind: "Read", pods: [{ name: "a", containers: [{ asks: { [GPU]: null } }] }] });
  });

  test("are read from the beginning when a later page is gone, because a part is not the whole", async () => {
    const first = pod("a", { containers: [container({ [GPU]: "1" })] });
    const other = pod("b", { containers: [container({ [GPU]: "1" })] });
    server.expect(list(null), json(200, { metadata: { continue: "t1" }, items: [first] }));
    server.expect(list("t1"), json(410, { message: "expired", metadata: { continue: "inconsistent" } }));
    server.expect(list(null), json(200, { items: [other] }));
    expect(await pods.observe(OURS, UNKNOWN)).toMatchObject({ kind: "Read", pods: [{ name: "b" }] });
  });

  test("are unreadable when pages are gone again and again", async () => {
    for (let count = 0; count < 4; count += 1) server.expect(list(null), json(410, { message: "expired" }));
    expect(await pods.observe(OURS, UNKNOWN)).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("410") });
  });

  test("that are fat are read in smaller pages, the last of them alone and whole", async () => {
    const fat = (name: string): unknown => pod(name, { containers: [{ ...(container({ [GPU]: "1" }) as object), env: "x".repeat(5_000_000) }] });
    const whole = json(200, { items: [fat("a")] });
    for (const limit of ["50", "13", "4"]) server.expect(list(null, limit), whole);
    server.expect(list(null, "1"), json(200, { metadata: { continue: "t1" }, items: [fat("a")] }));
    server.expect(list("t1", "1"), json(200, { items: [fat("b")] }));
    expect(await pods.observe(OURS, UNKNOWN)).toMatchObject({ kind: "Read", pods: [{ name: "a" }, { name: "b" }] });
  });

  test("are unreadable when the answer does not come", async () => {
    server.expect(list(null), silence);
    const view = pods.observe(OURS, UNKNOWN);
    await vi.waitFor(() => expect(server.answered()).toBe(1), { interval: 2 });
    await clock.advance(10_000);
    expect(await view).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("10000 ms") });
  });
});

describe("a pod", () => {
  const containers = (spec: object, status: object = {}) => podFrom({ ...(pod("a", spec) as object), status }, OURS)?.containers;
  const one = container({ [GPU]: "1" });

  test("that asks for nothing of ours is none of ours", () => {
    const native = { cpu: "1", memory: "1Gi", "hugepages-2Mi": "4Mi", "example.kubernetes.io/x": "1", "teeio.dev": "1", [GPU]: "0" };
    expect(podFrom(pod("a", { containers: [container(native)] }), OURS)).toBeNull();
  });

  test("has init containers, restartable ones and the others, in the order in which they start", () => {
    const named = (name: string, restartPolicy?: string): unknown => ({ ...(one as object), name, restartPolicy });
    const spec = { containers: [named("main")], initContainers: [named("first"), named("side", "Always"), named("never", "Never")] };
    expect(containers(spec)?.map(({ name, role }) => [name, role])).toEqual([
      ["first", "Init"],
      ["side", "Sidecar"],
      ["never", "Init"],
      ["main", "Main"],
    ]);
  });

  test.each([
    ["Waiting", {}],
    ["Waiting", { containerStatuses: [{ name: "other", state: { running: {} } }] }],
    ["Waiting", { containerStatuses: [{ name: "c", state: { waiting: { reason: "CrashLoopBackOff" } } }] }],
    ["Waiting", { containerStatuses: [{ name: "c" }] }],
    ["Running", { containerStatuses: [{ name: "c", state: { running: { startedAt: "2026-01-01T00:00:00Z" } } }] }],
    ["Ended", { containerStatuses: [{ name: "c", state: { terminated: { exitCode: 0 } } }] }],
  ])("has a container that is %s with status %j", (state, status) => {
    expect(containers({ containers: [one] }, status)).toMatchObject([{ state }]);
  });

  test.each(["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"])("runs with a running one of its %s", (list) => {
    const status = { phase: "Failed", [list]: [{ name: "x", state: { running: {} } }] };
    expect(podFrom({ ...(pod("a", { containers: [one] }) as object), status }, OURS)).toMatchObject({ phase: "Failed", hasRunning: true });
  });

  test("knows by which claim DRA serves what a container asks for", () => {
    const requestMappings = [
      { containerName: "c", resourceName: GPU, requestName: "container-0-request-0" },
      { containerName: "other", resourceName: "teeio.dev/nic", requestName: "container-1-request-0" },
    ];
    const status = { extendedResourceClaimStatus: { resourceClaimName: "a-extended-resources-x", requestMappings } };
    expect(containers({ containers: [one] }, status)).toMatchObject([{ claims: { [GPU]: "a-extended-resources-x" } }]);
  });

  test("is read from limits when there are no requests, and may have containers without either", () => {
    const limited = { name: "c", resources: { limits: { [GPU]: "1" } } };
    expect(containers({ containers: [limited, { name: "d" }] })).toMatchObject([{ name: "c", asks: { [GPU]: 1 } }]);
  });
});

test.each([
  ["1", 1],
  [2, 2],
  ["1k", 1_000],
  ["2e2", 200],
  ["1E2", 100],
  ["1E", 1e18],
  ["1Ki", 1_024],
  ["1Ei", 2 ** 60],
  ["0", 0],
  ["", null],
  ["1.5", null],
  ["1m", null],
  ["-1", null],
  [{}, null],
  [null, null],
])("the quantity %j is %j", (text, count) => {
  expect(wholeQuantity(text)).toBe(count);
});
