// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { NodeClaim } from "../../../src/domain/dra/claim.ts";
import { LINK_SECURED } from "../../../src/domain/dra/names.ts";
import { isAppError } from "../../../src/runtime/errors.ts";
import { DraStage, deviceOf, FIRST, LINK_FAILED_TAINT, POOL, poolOf, SECOND } from "./dra-stage.ts";

const ONE = poolOf([deviceOf(FIRST)]);
const TRUE = { type: LINK_SECURED, status: "True", reason: "Secured", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" } as const;

function stored(stage: DraStage) {
  return [...stage.api.pools.state.items.values()].map(({ value }) => value.pool.devices.map(({ address }) => address));
}

test("slices become those that are published, after the latency, and come back when somebody deletes them", async () => {
  const stage = new DraStage({ latencyMs: 100, slicesLagMs: 400 });
  const { slices } = stage.agent();
  expect(slices.current()).toBeNull();
  slices.publish([ONE]);
  await stage.pass(440);
  expect(stored(stage)).toEqual([]);
  await stage.pass(20);
  expect(stored(stage)).toEqual([[FIRST]]);
  await stage.pass(60);
  expect(slices.current()).toMatchObject({ value: { asPublished: true, problem: "", listed: [{ address: FIRST, pool: POOL }] } });
  await stage.pass(2_000);
  stage.api.wipe(null);
  await stage.pass(399);
  expect(stored(stage)).toEqual([]);
  await stage.pass(100);
  expect(stored(stage)).toEqual([[FIRST]]);
});

test("a crash leaves slices, and a write that has been sent arrives all the same", async () => {
  const stage = new DraStage({ latencyMs: 100 });
  const { slices } = stage.agent();
  await stage.pass(1_500);
  slices.publish([ONE]);
  await stage.pass(20);
  expect(stored(stage)).toEqual([]);
  stage.killAgent();
  await stage.pass(29_990);
  expect(stored(stage)).toEqual([[FIRST]]);
  await stage.pass(10);
  expect(stored(stage)).toEqual([]);
});

test("taints are one write; a change of counters and devices is two, and the pool is not whole in between", async () => {
  const stage = new DraStage({ latencyMs: 100 });
  const { slices } = stage.agent();
  const pool = poolOf([deviceOf(FIRST, { streams: 1 })], 1);
  slices.publish([pool]);
  await stage.pass(60);
  expect(stage.api.pools.get(`teeio.dev/${POOL}`)?.value).toMatchObject({ isWhole: false, pool: { streams: 1, devices: [] } });
  await stage.pass(1_000);
  const before = stage.api.pools.state.revision;
  slices.publish([{ ...pool, devices: [deviceOf(FIRST, { streams: 1, taints: [LINK_FAILED_TAINT] })] }]);
  await stage.pass(1_000);
  expect(stage.api.pools.state.revision).toBe(before + 1);
  slices.publish([poolOf([deviceOf(FIRST, { streams: 1 }), deviceOf(SECOND, { streams: 1 })], 2)]);
  await stage.pass(60);
  expect(stage.api.pools.get(`teeio.dev/${POOL}`)?.value).toMatchObject({ isWhole: false, pool: { streams: 2, devices: [{ address: FIRST }] } });
  await stage.pass(1_000);
  expect(slices.current()).toMatchObject({ value: { asPublished: true } });
});

test("dropped fields are told, and are no reason to write again", async () => {
  const stage = new DraStage({ drops: ["taints", "consumesCounters"] });
  const { slices } = stage.agent();
  slices.publish([poolOf([deviceOf(FIRST, { taints: [LINK_FAILED_TAINT], bindsWhenSecured: true, streams: 1 })], 1)]);
  await stage.pass(1_000);
  const { revision } = stage.api.pools.state;
  await stage.pass(10_000);
  expect(stage.api.pools.state.revision).toBe(revision);
  expect(slices.current()).toMatchObject({
    value: { dropped: ["sharedCounters", "taints"], listed: [{ taints: [], streams: 0 }], asPublished: true },
  });
});

test("a dropped field is known until it is kept, or until the slices are listed anew: that nothing asks for it says nothing", async () => {
  const stage = new DraStage({ drops: ["taints"] });
  const { slices } = stage.agent();
  slices.publish([poolOf([deviceOf(FIRST, { taints: [LINK_FAILED_TAINT] })])]);
  await stage.pass(1_000);
  slices.publish([]);
  await stage.pass(1_000);
  expect(slices.current()).toMatchObject({ value: { dropped: ["taints"], listed: [], asPublished: true } });
  stage.api.drops.clear();
  stage.api.dropsChanged();
  await stage.pass(1_000);
  expect(slices.current()).toMatchObject({ value: { dropped: [] } });
});

test("what cannot be written is said, and tried again; slices of another driver are told apart", async () => {
  const stage = new DraStage();
  const { slices } = stage.agent();
  await stage.pass(500);
  stage.api.isRefusing = true;
  slices.publish([ONE]);
  await stage.pass(100);
  expect(slices.current()).toMatchObject({ value: { asPublished: false, problem: expect.stringContaining("forbidden") } });
  stage.api.isRefusing = false;
  const foreign = { driver: "gpu.example.com", node: "node-1", pool: { ...poolOf([deviceOf(SECOND)]), name: "node-1" }, isWhole: true };
  stage.api.pools.put("gpu.example.com/node-1", foreign);
  await stage.pass(2_000);
  const others = [{ driver: "gpu.example.com", pool: "node-1", device: "0000-18-00-0", address: SECOND }];
  expect(slices.current()).toMatchObject({ value: { asPublished: true, problem: "", foreign: others } });
  slices.publish([]);
  await stage.pass(1_000);
  expect(stored(stage)).toEqual([[SECOND]]);
});

async function allocated(stage: DraStage) {
  const agent = stage.agent();
  agent.slices.publish([ONE]);
  await stage.pass(1_000);
  const { uid, name, namespace } = stage.api.addClaim([{ request: "gpu", count: 1 }]);
  const pod = stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(1_000);
  const claim = (await read(stage, agent.claims.get({ uid, name, namespace }))) as NodeClaim;
  return { agent, pod, claim, devices: [{ pool: POOL, device: "0000-17-00-0", conditions: [TRUE] }] };
}

async function read<T>(stage: DraStage, asked: Promise<T>): Promise<T> {
  await stage.pass(0);
  return await asked;
}

test("claims: the watch is behind, a read is not; each watch by a lag of its own", async () => {
  const stage = new DraStage({ claimsLagMs: 5_000 });
  const { agent, claim } = await allocated(stage);
  expect(claim.devices).toMatchObject([{ pool: POOL, device: "0000-17-00-0", request: "gpu" }]);
  expect(agent.claims.current()).toBeNull();
  expect(await read(stage, agent.claims.list())).toEqual({ kind: "Read", value: [claim] });
  await stage.pass(3_500);
  // A first list is never of the past.
  expect(agent.claims.current()).toEqual({ kind: "Read", value: [claim] });
});

test("apply: by UID, resource version and allocation, or it is over", async () => {
  const stage = new DraStage();
  const { agent, claim, devices } = await allocated(stage);
  expect(await read(stage, agent.claims.apply(claim, devices))).toBe("Applied");
  expect(stage.api.claims.get(claim.uid)?.value.conditions).toEqual(devices);
  expect(await read(stage, agent.claims.apply(claim, devices))).toBe("Over");
  const now = (await read(stage, agent.claims.get(claim))) as NodeClaim;
  expect(now.devices[0]?.conditions).toEqual([TRUE]);
  expect(await read(stage, agent.claims.apply({ ...now, uid: "another" }, devices))).toBe("Over");
  expect(await read(stage, agent.claims.apply(now, [{ pool: POOL, device: "0000-18-00-0", conditions: [TRUE] }]))).toBe("Over");
  expect(await read(stage, agent.claims.get({ ...claim, uid: "another" }))).toBeNull();
});

test("without the API server: views say so after a while, and what happened meanwhile is seen at once afterwards", async () => {
  const stage = new DraStage({ claimsLagMs: 100 });
  const { agent, claim, devices } = await allocated(stage);
  stage.setReachable(false);
  await stage.pass(200);
  expect(agent.claims.current()).toMatchObject({ kind: "Unreadable" });
  expect(agent.slices.current()).toMatchObject({ kind: "Unreadable" });
  const refusals = [agent.claims.apply(claim, devices), agent.claims.get(claim)].map((asked) =>
    asked.then(
      () => "",
      (thrown: unknown) => (isAppError(thrown) ? thrown.code : "?"),
    ),
  );
  expect(await read(stage, Promise.all(refusals))).toEqual(["API_UNREACHABLE", "API_UNREACHABLE"]);
  expect(await read(stage, agent.claims.list())).toMatchObject({ kind: "Unreadable" });
  stage.api.changeClaim(claim.uid, { allocation: null });
  stage.setReachable(true);
  await stage.pass(200);
  expect(agent.claims.current()).toEqual({ kind: "Read", value: [] });
});
