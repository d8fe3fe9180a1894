// SPDX-License-Identifier: Apache-2.0

/** What of a slice is kept, and what goes over the wire. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { afterAnswer } from "../../../src/cluster/dra/dropped.ts";
import { nodeOwner } from "../../../src/cluster/dra/node-owner.ts";
import { keptSlice } from "../../../src/cluster/dra/slice-object.ts";
import { createSliceRequests, type Owner } from "../../../src/cluster/dra/slice-requests.ts";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import type { SeenSlice } from "../../../src/domain/dra/slices.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, json, type ScenarioServer } from "../scenario-server.ts";

const PATH = "/apis/resource.k8s.io/v1/resourceslices";
const MANAGER = { fieldManager: "trusted-iommu-agent" };

const SPEC = {
  driver: "teeio.dev",
  nodeName: "n1",
  pool: { name: "n1/pci0000-16", generation: 3, resourceSliceCount: 2 },
  devices: [{ name: "0000-17-00-0", attributes: { "resource.kubernetes.io/pciBusID": { string: "0000:17:00.0" } } }],
};

const object = (spec: object = SPEC, metadata: object = {}): unknown => ({
  apiVersion: "resource.k8s.io/v1",
  kind: "ResourceSlice",
  metadata: { name: "s", uid: "u1", resourceVersion: "7", creationTimestamp: "2026-01-01T00:00:00Z", generation: 1, ...metadata },
  spec,
});

const SEEN: SeenSlice = { name: "s", uid: "u1", resourceVersion: "7", pool: "n1/pci0000-16", generation: 3, sliceCount: 2, spec: SPEC };

describe("of a slice", () => {
  test("of ours everything is kept", () => {
    expect(keptSlice(object(), "n1")).toEqual({ kind: "Ours", slice: SEEN });
  });

  test.each([
    ["of another node", object({ ...SPEC, nodeName: "n2" })],
    ["of no node", object({ ...SPEC, nodeName: undefined, allNodes: true })],
    ["of another driver without a PCI address", object({ ...SPEC, driver: "x.example", devices: [{ name: "a" }, null] })],
    ["that is none", null],
  ])("%s nothing is kept", (_what, value) => {
    expect(keptSlice(value, "n1")).toBeNull();
  });

  test("of another driver devices with a PCI address are kept, however it is written", () => {
    const device = (name: string, value: object): object => ({ name, attributes: { "resource.kubernetes.io/pciBusID": value } });
    const devices = [
      device("a", { string: "0000:17:00.0" }),
      device("b", { string: "00000000:2A:00.0" }),
      device("c", { strings: ["0000:01:00.0", "0000:01:00.1", "?"] }),
      device("d", { int: 1 }),
    ];
    const kept = keptSlice(object({ ...SPEC, driver: "x.example", devices }), "n1");
    expect(kept?.kind === "Foreign" && kept.devices.map((one) => `${one.driver} ${one.pool} ${one.device} ${one.address}`)).toEqual([
      "x.example n1/pci0000-16 a 0000:17:00.0",
      "x.example n1/pci0000-16 b 0000:2a:00.0",
      "x.example n1/pci0000-16 c 0000:01:00.0",
      "x.example n1/pci0000-16 c 0000:01:00.1",
    ]);
  });

  test("of ours that is none is no answer of an API server", () => {
    expect(() => keptSlice(object({ driver: "teeio.dev", nodeName: "n1" }), "n1")).toThrow("an object is none of resource.k8s.io/v1");
  });
});

describe("a write", () => {
  let server: ScenarioServer;
  let client: ApiClient;
  let owner: Owner | null;
  const { signal } = new AbortController();

  beforeEach(async () => {
    server = await createScenarioServer();
    client = createApiClient(plainAccess(server.url), createFakeClock());
    owner = null;
  });

  afterEach(async () => {
    client.close();
    const verdict = server.verdict();
    await server.close();
    expect(verdict).toEqual([]);
  });

  const requests = (): ReturnType<typeof createSliceRequests> => createSliceRequests(client, "n1", async () => owner);

  test("makes a slice, which goes with its Node where that is known", async () => {
    const body = { apiVersion: "resource.k8s.io/v1", kind: "ResourceSlice", spec: SPEC };
    server.expect({ method: "POST", path: PATH, query: MANAGER, body: { ...body, metadata: { name: "s" } } }, json(201, object()));
    expect(await requests().send({ kind: "Create", name: "s", spec: SPEC }, signal)).toEqual(SEEN);
    owner = { uid: "node-uid" };
    const ownerReferences = [{ apiVersion: "v1", kind: "Node", name: "n1", uid: "node-uid", controller: true }];
    server.expect({ method: "POST", path: PATH, query: MANAGER, body: { ...body, metadata: { name: "s", ownerReferences } } }, json(201, object()));
    await requests().send({ kind: "Create", name: "s", spec: SPEC }, signal);
  });

  test("changes the spec of the slice that was seen, takes away what it has no longer, and leaves labels alone", async () => {
    const { devices, ...rest } = SPEC;
    const spec = { ...rest, sharedCounters: [{ name: "streams", counters: { streams: { value: "2" } } }] };
    const body = { metadata: { resourceVersion: "7" }, spec: { ...spec, devices: null } };
    const request = { method: "PATCH", path: `${PATH}/s`, query: MANAGER, contentType: "application/merge-patch+json", body };
    server.expect(request, json(200, object(spec, { resourceVersion: "8" })));
    expect(await requests().send({ kind: "Update", seen: SEEN, spec }, signal)).toEqual({ ...SEEN, resourceVersion: "8", spec });
    expect(devices).toHaveLength(1);
  });

  test("deletes the slice that was seen, and no other of its name", async () => {
    const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid: "u1", resourceVersion: "7" } };
    server.expect({ method: "DELETE", path: `${PATH}/s`, query: {}, body }, json(200, { kind: "Status", status: "Success" }));
    expect(await requests().send({ kind: "Delete", seen: SEEN }, signal)).toBeNull();
  });

  test.each([
    ["Create", 409, "AlreadyExists"],
    ["Update", 409, "Conflict"],
    ["Update", 404, "NotFound"],
    ["Delete", 409, "Conflict"],
    ["Delete", 404, "NotFound"],
  ] as const)("%s that is answered with %d came too late", async (kind, status, reason) => {
    const method = { Create: "POST", Update: "PATCH", Delete: "DELETE" }[kind];
    const query = kind === "Delete" ? {} : MANAGER;
    server.expect({ method, path: kind === "Create" ? PATH : `${PATH}/s`, query }, json(status, { kind: "Status", reason }));
    const write = kind === "Create" ? { kind, name: "s", spec: SPEC } : { kind, seen: SEEN, spec: SPEC };
    expect(await requests().send(write, signal)).toBe("Conflict");
  });

  test("that a server without the kind answers has not come too late", async () => {
    server.expect({ method: "PATCH", path: `${PATH}/s`, query: MANAGER }, json(404, "404 page not found"));
    await expect(requests().send({ kind: "Update", seen: SEEN, spec: SPEC }, signal)).rejects.toMatchObject({ code: "API_REFUSED" });
  });

  test("that is answered with something else is not known to have been made", async () => {
    server.expect({ method: "POST", path: PATH, query: MANAGER }, json(200, { kind: "Status" }));
    await expect(requests().send({ kind: "Create", name: "s", spec: SPEC }, signal)).rejects.toMatchObject({ code: "API_UNREACHABLE" });
  });

  test("has no owner where the Node may not be read, and waits where it is not answered", async () => {
    const request = { method: "GET", path: "/api/v1/nodes/n1" };
    server.expect(request, json(200, { metadata: { uid: "node-uid" } }));
    server.expect(request, json(403, { kind: "Status", reason: "Forbidden" }));
    server.expect(request, json(200, {}));
    server.expect(request, json(503, { kind: "Status" }));
    expect([await nodeOwner(client, "n1"), await nodeOwner(client, "n1"), await nodeOwner(client, "n1")]).toEqual([{ uid: "node-uid" }, null, null]);
    await expect(nodeOwner(client, "n1")).rejects.toMatchObject({ code: "API_UNREACHABLE" });
  });
});

test("fields that were dropped stay so until one is kept, and one that was not sent says nothing", () => {
  const tainted = { devices: [{ name: "a", taints: [{ key: "k" }] }] };
  const plain = { devices: [{ name: "a" }] };
  const dropped = afterAnswer(new Set(), tainted, plain);
  expect([...dropped]).toEqual(["taints"]);
  expect([...afterAnswer(dropped, plain, plain)]).toEqual(["taints"]);
  expect([...afterAnswer(dropped, tainted, tainted)]).toEqual([]);
});
