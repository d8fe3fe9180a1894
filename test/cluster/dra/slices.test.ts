// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { SlicesView } from "../../../src/cluster/dra/port.ts";
import { createSlices, type Slices } from "../../../src/cluster/dra/slices.ts";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import type { DeviceTaint, Pool } from "../../../src/domain/dra/pool.ts";
import { createJobs, type Jobs } from "../../../src/runtime/jobs.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { createScenarioServer, json } from "../scenario-server.ts";
import { pool } from "./pools.ts";
import { createSliceServer, type SliceServer } from "./slice-server.ts";

const TAINT: DeviceTaint = { key: "teeio.dev/link-failed", value: "NoAnswer", effect: "NoSchedule", timeAdded: "2026-01-01T00:00:00Z" };

const A = "0000:17:00.0";
const B = "0000:2a:00.0";
const BOTH = [pool("16", [A]), pool("29", [B])];

let server: SliceServer;
let clock: FakeClock;
let client: ApiClient;
let jobs: Jobs;
let slices: Slices;
let changes: number;
let warnings: string[];

beforeEach(async () => {
  server = await createSliceServer();
  clock = createFakeClock();
  client = createApiClient(plainAccess(server.url), clock);
  const onFatal = (thrown: unknown): void => expect.fail(String(thrown));
  jobs = createJobs({ owner: "cluster", clock, log: silentLog, metrics: noMetrics, random: () => 0, onFatal });
  warnings = [];
  const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
  slices = createSlices({ client, node: "n1", owner: async () => null, clock, random: () => 0, log });
  changes = 0;
  slices.port.onChange(() => {
    changes += 1;
  });
});

afterEach(async () => {
  await jobs.stop();
  client.close();
  await server.close();
  expect(clock.pending()).toBe(0);
});

test("a pool that cannot be published is named, is not written, and is forgotten when it is correct", async () => {
  slices.start(jobs);
  const twice = pool("16", [A, A]);
  slices.port.publish([twice, pool("29", [B])]);
  await until(() => view()?.asPublished === true);
  expect(view()).toMatchObject({ withdrawn: expect.stringContaining(`pool ${twice.name}: a device is in it twice`), listed: [{ address: B }] });
  slices.port.publish(BOTH);
  await until(() => view()?.asPublished === true);
  expect(view()).toMatchObject({ withdrawn: "", listed: [{ address: A }, { address: B }] });
});

/** Lets the pause between two runs pass, and no backoff. */
async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(
    async () => {
      if (!condition() && (clock.nextDueMs() ?? Number.POSITIVE_INFINITY) <= clock.nowMs() + 100) await clock.advance(100);
      expect(condition()).toBe(true);
    },
    { interval: 2, timeout: 5000 },
  );
}

async function passPause(ms: number): Promise<void> {
  await until(() => clock.nextDueMs() === clock.nowMs() + ms);
  await clock.advance(ms);
}

function view(): SlicesView | null {
  const reading = slices.port.current();
  return reading?.kind === "Read" ? reading.value : null;
}

const listed = (): readonly string[] => (view()?.listed ?? []).map(({ address }) => address).toSorted();
const isPublished = (): boolean => view()?.asPublished === true;
const writes = (): readonly string[] => server.requests.filter((request) => !request.startsWith("GET"));

/** What the API server has, in the words of the planner's own test: names of devices. */
const kept = (): readonly string[] =>
  server
    .slices()
    .filter(({ spec }) => spec["driver"] === "teeio.dev" && spec["nodeName"] === "n1")
    .flatMap(({ spec }) => ((spec["devices"] ?? []) as { name: string }[]).map(({ name }) => name))
    .toSorted();

async function published(pools: readonly Pool[]): Promise<void> {
  slices.start(jobs);
  await until(() => server.isWatched());
  slices.port.publish(pools);
  await until(isPublished);
}

describe("what is published", () => {
  test("is written, is seen at once though the watch is late, and is left alone then", async () => {
    expect(slices.port.current()).toBeNull();
    server.hold();
    await published(BOTH);
    expect(kept()).toEqual(["0000-17-00-0", "0000-2a-00-0"]);
    expect(listed()).toEqual([A, B]);
    const before = writes().length;
    slices.port.publish([pool("16", [A], { taints: [TAINT] }), pool("29", [B])]);
    await until(isPublished);
    expect(view()?.listed.find(({ address }) => address === A)?.taints).toEqual([TAINT]);
    const told = changes;
    server.release();
    await until(() => changes > told);
    await clock.advance(1000);
    expect(isPublished()).toBe(true);
    expect(writes().length).toBe(before + 1);
  });

  test("is not taken for gone, nor written again, while the watch shows it piece by piece", async () => {
    server.hold();
    await published(BOTH);
    const before = writes().length;
    for (let event = 0; event < before; event += 1) {
      const told = changes;
      server.releaseOne();
      await until(() => changes > told);
      expect([isPublished(), listed()]).toEqual([true, [A, B]]);
      await clock.advance(1000);
    }
    expect(writes().length).toBe(before);
  });

  test("is nothing: then every slice of ours goes, and those of others stay", async () => {
    server.put("theirs", { driver: "gpu.example", nodeName: "n1", pool: { name: "n1", generation: 1, resourceSliceCount: 1 } });
    server.put("other-node", { driver: "teeio.dev", nodeName: "n2", pool: { name: "n2/x", generation: 1, resourceSliceCount: 1 } });
    await published(BOTH);
    slices.port.publish([]);
    await until(isPublished);
    expect([kept(), listed(), server.slices().length]).toEqual([[], [], 2]);
  });

  test("is left as it is with null, also when somebody deletes it", async () => {
    await published(BOTH);
    slices.port.publish(null);
    for (const { metadata } of server.slices()) server.remove(metadata.name);
    await until(() => listed().length === 0);
    await clock.advance(1000);
    expect([kept(), isPublished()]).toEqual([[], false]);
  });

  test("that changes while it is written ends as the newest", async () => {
    slices.start(jobs);
    await until(() => server.isWatched());
    server.next(() => {
      slices.port.publish([]);
      return "Carry out";
    });
    slices.port.publish(BOTH);
    await until(isPublished);
    expect(kept()).toEqual([]);
    expect(writes().filter((request) => request.startsWith("POST"))).toHaveLength(1);
  });

  test("before the first list waits for it", async () => {
    slices.port.publish(BOTH);
    slices.start(jobs);
    await until(isPublished);
    expect(kept()).toHaveLength(2);
  });
});

describe("what others do", () => {
  test("is undone at once: kubelet's wipe, again and again, and a change", async () => {
    await published(BOTH);
    for (let count = 0; count < 3; count += 1) {
      for (const { metadata } of server.slices()) server.remove(metadata.name);
      await until(() => kept().length === 2 && isPublished());
    }
    const [first] = server.slices();
    server.put(first?.metadata.name ?? "", { ...first?.spec, devices: [] });
    await until(() => kept().length === 2 && isPublished());
  });

  test.each(["PATCH", "DELETE"])("between our look and our %s is read before it is written over", async (method) => {
    await published([pool("16", [A])]);
    const [first] = server.slices();
    server.hold();
    server.next(() => {
      server.put(first?.metadata.name ?? "", { ...first?.spec, devices: [] });
      return "Carry out";
    });
    slices.port.publish(method === "PATCH" ? [pool("16", [A, B])] : []);
    await until(isPublished);
    expect(kept()).toHaveLength(method === "PATCH" ? 2 : 0);
    expect(server.requests.filter((request) => request.startsWith("GET"))).toHaveLength(1);
    server.release();
    await until(isPublished);
  });

  test("may be to delete what we change, or to make what we make", async () => {
    await published([pool("16", [A])]);
    const [first] = server.slices();
    server.hold();
    server.next(() => {
      server.remove(first?.metadata.name ?? "");
      return "Carry out";
    });
    slices.port.publish([pool("16", [A, B])]);
    await until(isPublished);
    expect(kept()).toHaveLength(2);
    server.remove(first?.metadata.name ?? "");
    server.next(() => {
      server.put(first?.metadata.name ?? "", first?.spec ?? {});
      return "Carry out";
    });
    server.release();
    await until(() => kept().length === 2 && isPublished());
  });

  test("without end is answered with a pause", async () => {
    slices.start(jobs);
    await until(() => server.isWatched());
    server.hold();
    for (let count = 0; count < 100; count += 1) server.next(() => 409);
    slices.port.publish([pool("16", [A])]);
    await until(() => view()?.problem !== "");
    expect(view()).toMatchObject({ asPublished: false, problem: expect.stringContaining("who else writes them") });
    expect(writes()).toHaveLength(10);
  });

  test("with a name of ours is told, not fought", async () => {
    await published([pool("16", [A])]);
    const [{ metadata } = { metadata: { name: "" } }] = server.slices();
    slices.port.publish([]);
    await until(isPublished);
    server.put(metadata.name, { driver: "gpu.example", nodeName: "n1", pool: { name: "n1", generation: 1, resourceSliceCount: 1 } });
    slices.port.publish([pool("16", [A])]);
    await until(() => view()?.problem !== "");
    expect(view()?.problem).toContain(`ResourceSlice ${metadata.name} is not of driver teeio.dev`);
  });

  test("with a device of this host is shown, by its PCI address", async () => {
    const attributes = (string: string): object => ({ "resource.kubernetes.io/pciBusID": { string } });
    const devices = [{ name: "gpu-0", attributes: attributes("0000:17:00.0") }, { name: "gpu-1", attributes: attributes("none") }, { name: "nic" }];
    server.put("theirs", { driver: "gpu.example", nodeName: "n1", pool: { name: "n1", generation: 1, resourceSliceCount: 1 }, devices });
    await published([]);
    expect(view()?.foreign).toEqual([{ driver: "gpu.example", pool: "n1", device: "gpu-0", address: A }]);
    server.remove("theirs");
    await until(() => view()?.foreign.length === 0);
  });
});

describe("an API server that", () => {
  test("does not keep a field is not asked again, and the field is named; one that has learned to is, after its next list", async () => {
    server.drops.add("taints");
    await published([pool("16", [A], { taints: [TAINT] })]);
    expect(view()?.dropped).toEqual(["taints"]);
    const before = writes().length;
    await clock.advance(5000);
    expect(writes().length).toBe(before);
    server.expire();
    await passPause(1000);
    await until(() => writes().length > before && isPublished());
    // Asked again and dropped again: that was said already.
    const said = warnings.filter((warning) => warning.includes("drops"));
    expect(said).toEqual([expect.stringMatching(/^the API server drops fields of ResourceSlices: taints \(/)]);
    server.drops.clear();
    await until(() => server.isWatched());
    server.expire();
    await passPause(2000);
    await until(() => view()?.dropped.length === 0 && isPublished());
    expect(view()?.listed).toMatchObject([{ taints: [TAINT] }]);
  });

  test.each([
    ["refuses", 403],
    ["fails", 500],
  ])("%s is asked again after a pause", async (_what, status) => {
    slices.start(jobs);
    await until(() => server.isWatched());
    server.next(() => status);
    slices.port.publish([pool("16", [A])]);
    await until(() => view()?.problem !== "");
    expect(view()).toMatchObject({ asPublished: false, problem: expect.stringContaining(String(status)) });
    await passPause(1000);
    await until(isPublished);
    expect(view()?.problem).toBe("");
  });

  test("made what was asked of it and did not say so is read before anything else", async () => {
    slices.start(jobs);
    await until(() => server.isWatched());
    server.hold();
    server.next(() => "Lose");
    slices.port.publish([pool("16", [A])]);
    await until(() => view()?.problem !== "");
    slices.port.publish([]);
    expect(isPublished()).toBe(false);
    // Nobody has seen it, and the API server has it.
    expect([listed(), view()?.asked]).toEqual([[], [A]]);
    await until(isPublished);
    expect([kept(), view()?.asked]).toEqual([[], []]);
  });

  test("has forgotten where the watch was is listed, and what was missed is made good", async () => {
    await published(BOTH);
    await clock.advance(1000);
    server.hold();
    for (const { metadata } of server.slices()) server.remove(metadata.name);
    server.expire();
    await passPause(1000);
    await until(() => server.lists() === 2 && isPublished() && kept().length === 2);
  });
});

test("a stop that empties first leaves nothing behind, and nothing is written after it", async () => {
  await published(BOTH);
  slices.port.publish([]);
  await until(isPublished);
  await jobs.stop();
  const before = server.requests.length;
  slices.port.publish(BOTH);
  await clock.settle();
  expect([kept(), server.requests.length]).toEqual([[], before]);
});

test("an API server without the kind is asked for it slowly, and what is to be published waits", async () => {
  const bare = await createScenarioServer();
  const list = { method: "GET", path: "/apis/resource.k8s.io/v1/resourceslices", query: { fieldSelector: "spec.nodeName=n1", limit: "50" } };
  bare.expect(list, json(404, "404 page not found"));
  const other = createApiClient(plainAccess(bare.url), clock);
  slices = createSlices({ client: other, node: "n1", owner: async () => null, clock, random: () => 0, log: silentLog });
  slices.port.publish(BOTH);
  slices.start(jobs);
  await until(() => slices.port.current() !== null);
  expect(slices.port.current()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("Kubernetes 1.34") });
  bare.expect(list, json(404, "404 page not found"));
  await passPause(600_000);
  await until(() => bare.answered() === 2);
  other.close();
  await jobs.stop();
  const verdict = bare.verdict();
  await bare.close();
  expect(verdict).toEqual([]);
});
