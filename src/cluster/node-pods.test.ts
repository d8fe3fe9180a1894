// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createScenarioServer, json, type ScenarioServer, silence } from "../testing/cluster/scenario-server.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { type ApiClient, createApiClient } from "./api-client.ts";
import { createNodePods } from "./node-pods.ts";
import { podFrom } from "./pod.ts";
import type { NodePodsPort } from "./port.ts";

const list = (token: string | null): { method: string; path: string; query: Record<string, string> } => ({
  method: "GET",
  path: "/api/v1/pods",
  query: { fieldSelector: "spec.nodeName=n1", limit: "500", ...(token !== null && { continue: token }) },
});

type Amounts = Record<string, string>;
const container = (requests: Amounts, restartPolicy?: string): unknown => ({ name: "c", resources: { requests }, restartPolicy });

function pod(name: string, spec: object, more: { phase?: string; deletionTimestamp?: string } = {}): unknown {
  const { phase = "Running", ...metadata } = more;
  return { metadata: { namespace: "ns", name, uid: `uid-${name}`, ...metadata }, spec: { nodeName: "n1", ...spec }, status: { phase } };
}

const GPU = "teeio.dev/gpu";

describe("the node's pods", () => {
  let server: ScenarioServer;
  let clock: FakeClock;
  let client: ApiClient;
  let pods: NodePodsPort;

  beforeEach(async () => {
    server = await createScenarioServer();
    clock = createFakeClock();
    const tls = { ca: null, cert: null, key: null, serverName: null, insecure: false };
    client = createApiClient({ server: server.url, credentials: async () => ({ authorization: null, tls }) }, clock);
    pods = createNodePods(client, "n1", clock);
  });

  afterEach(async () => {
    client.close();
    const verdict = server.verdict();
    await server.close();
    expect(verdict).toEqual([]);
    expect(clock.pending()).toBe(0);
  });

  test("are read page by page, terminating ones included", async () => {
    const first = pod("a", { containers: [container({ [GPU]: "1", cpu: "100m" })] });
    const second = pod("b", { containers: [container({})] }, { phase: "Pending", deletionTimestamp: "2026-01-01T00:00:00Z" });
    server.expect(list(null), json(200, { metadata: { continue: "t1" }, items: [first] }));
    server.expect(list("t1"), json(200, { metadata: {}, items: [second] }));
    expect(await pods.observe()).toEqual({
      kind: "Read",
      pods: [
        { namespace: "ns", name: "a", uid: "uid-a", phase: "Running", terminating: false, requests: { [GPU]: 1 } },
        { namespace: "ns", name: "b", uid: "uid-b", phase: "Pending", terminating: true, requests: {} },
      ],
    });
  });

  const refusals: [string, number, unknown][] = [
    ["a server that fails", 500, { message: "etcd" }],
    ["missing rights", 403, { message: "forbidden" }],
    ["an answer that is no list", 200, { items: null }],
    ["one pod that is none", 200, { items: [{ metadata: {} }] }],
    ["an amount that is not understood", 200, { items: [pod("a", { containers: [container({ [GPU]: "some" })] })] }],
  ];
  test.each(refusals)("are unreadable on %s", async (_name, status, body) => {
    server.expect(list(null), json(status, body));
    expect(await pods.observe()).toMatchObject({ kind: "Unreadable", why: expect.stringMatching(/./) });
  });

  test("are unreadable when a later page is gone, because a part is not the whole", async () => {
    server.expect(list(null), json(200, { metadata: { continue: "t1" }, items: [] }));
    server.expect(list("t1"), json(410, { message: "expired" }));
    expect(await pods.observe()).toMatchObject({ kind: "Unreadable" });
  });

  test("are unreadable when the answer does not come", async () => {
    server.expect(list(null), silence);
    const view = pods.observe();
    await vi.waitFor(() => expect(server.answered()).toBe(1), { interval: 2 });
    await clock.advance(10_000);
    expect(await view).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("10000 ms") });
  });
});

describe("a pod's requests", () => {
  const requests = (spec: object): Readonly<Record<string, number>> => podFrom(pod("a", spec)).requests;
  const one = container({ [GPU]: "1" });
  const two = container({ [GPU]: "2" });
  const sidecar = container({ [GPU]: "1" }, "Always");

  test("are the sum of its containers", () => {
    expect(requests({ containers: [one, two, container({ "teeio.dev/nic": "1" })] })).toEqual({ [GPU]: 3, "teeio.dev/nic": 1 });
  });

  test("are those of an init container that asks for more", () => {
    expect(requests({ containers: [one], initContainers: [two, one] })).toEqual({ [GPU]: 2 });
  });

  test("count restartable init containers with the containers, and with the init containers after them", () => {
    expect(requests({ containers: [one], initContainers: [sidecar] })).toEqual({ [GPU]: 2 });
    expect(requests({ containers: [one], initContainers: [sidecar, two] })).toEqual({ [GPU]: 3 });
    expect(requests({ containers: [one], initContainers: [two, sidecar] })).toEqual({ [GPU]: 2 });
  });

  test("leave out what is no extended resource", () => {
    const native = { cpu: "1", memory: "1Gi", "hugepages-2Mi": "4Mi", "example.kubernetes.io/x": "1" };
    expect(requests({ containers: [container(native)] })).toEqual({});
  });

  test("read amounts as Kubernetes writes them", () => {
    const amounts = { "a.dev/x": "1k", "b.dev/x": "2e2", "c.dev/x": "1Ki", "d.dev/x": "0" };
    expect(requests({ containers: [container(amounts)] })).toEqual({ "a.dev/x": 1000, "b.dev/x": 200, "c.dev/x": 1024, "d.dev/x": 0 });
  });

  test("are read from limits when there are no requests, and tolerate containers without either", () => {
    expect(requests({ containers: [{ name: "c", resources: { limits: { [GPU]: "1" } } }, { name: "d" }] })).toEqual({ [GPU]: 1 });
  });
});
