// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { LINK_FAILED, LINK_SECURED } from "../../../src/domain/dra/names.ts";
import type { Pool } from "../../../src/domain/dra/pool.ts";
import { DraStage, deviceOf, FIRST, LINK_FAILED_TAINT, poolOf, SECOND } from "./dra-stage.ts";
import { ELSEWHERE } from "./scheduler-model.ts";

const BOUND_LATE = { bindsWhenSecured: true } as const;
const BOTH = poolOf([deviceOf(FIRST, BOUND_LATE), deviceOf(SECOND, BOUND_LATE)]);

/** Slices are in place, and kubelet's first wipe is over. No agent restores anything. */
async function stageWith(pools: readonly Pool[], shape: ConstructorParameters<typeof DraStage>[1] = {}): Promise<DraStage> {
  const stage = new DraStage({}, shape);
  await stage.pass(1_000);
  for (const pool of pools) change(stage, pool);
  await stage.pass(100);
  return stage;
}

function change(stage: DraStage, pool: Pool, isWhole = true): void {
  stage.api.pools.put(`teeio.dev/${pool.name}`, { driver: "teeio.dev", node: "node-1", pool, isWhole });
}

function claim(stage: DraStage, count = 1, about: Parameters<DraStage["api"]["addClaim"]>[1] = {}) {
  return stage.api.addClaim([{ request: "gpu", count }], about).uid;
}

function truth(stage: DraStage, uid: string) {
  return stage.api.claims.get(uid)?.value;
}

function devices(stage: DraStage, uid: string) {
  return truth(stage, uid)?.allocation?.devices.map(({ device }) => device) ?? [];
}

test("without conditions a pod is bound 0.25 s after its creation, and a second pod shares its claim", async () => {
  const stage = await stageWith([poolOf([deviceOf(FIRST)])]);
  const uid = claim(stage);
  const pod = stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(249);
  expect(pod.node).toBeNull();
  await stage.pass(1);
  expect([pod.node, devices(stage, uid), truth(stage, uid)?.hasFinalizer]).toEqual(["node-1", ["0000-17-00-0"], true]);
  const other = stage.addPod("pod-1", { claims: [uid] });
  await stage.pass(250);
  expect(other.node).toBe("node-1");
  expect(truth(stage, uid)?.reservedFor.map(({ name }) => name)).toEqual(["pod-0", "pod-1"]);
});

test("allocation and reservedFor are one write after the finalizer's", async () => {
  const stage = await stageWith([BOTH]);
  const uid = claim(stage);
  const { revision } = stage.api.claims.state;
  stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(1_000);
  expect(stage.api.claims.state.revision).toBe(revision + 2);
});

test("what is tainted, allocated, not whole, or out of streams is not given away", async () => {
  const streams = { streams: 1 } as const;
  const stage = await stageWith([poolOf([deviceOf(FIRST, { ...streams, taints: [LINK_FAILED_TAINT] }), deviceOf(SECOND, streams)], 1)]);
  const uids = [claim(stage), claim(stage)] as const;
  stage.addPod("pod-0", { claims: [uids[0]] });
  stage.addPod("pod-1", { claims: [uids[1]] });
  await stage.pass(500);
  expect([devices(stage, uids[0]), devices(stage, uids[1])]).toEqual([["0000-18-00-0"], []]);
  const free = [deviceOf(FIRST, streams), deviceOf(SECOND, streams)];
  change(stage, poolOf(free, 1));
  await stage.pass(500);
  expect(devices(stage, uids[1])).toEqual([]);
  change(stage, poolOf(free, 2), false);
  await stage.pass(500);
  expect(devices(stage, uids[1])).toEqual([]);
  change(stage, poolOf(free, 2));
  await stage.pass(33);
  expect(devices(stage, uids[1])).toEqual(["0000-17-00-0"]);
});

test("a device that has left the slices takes its consumption with it; a counter below what is used refuses all that consume", async () => {
  const streams = { streams: 1 } as const;
  const stage = await stageWith([poolOf([deviceOf(FIRST, streams), deviceOf(SECOND, streams)], 1)]);
  const uids = [claim(stage), claim(stage)] as const;
  stage.addPod("pod-0", { claims: [uids[0]] });
  await stage.pass(500);
  change(stage, poolOf([deviceOf(FIRST, streams), deviceOf(SECOND, streams)], 0));
  stage.addPod("pod-1", { claims: [uids[1]] });
  await stage.pass(500);
  expect(devices(stage, uids[1])).toEqual([]);
  change(stage, poolOf([deviceOf(SECOND, streams)], 1));
  await stage.pass(500);
  expect(devices(stage, uids[1])).toEqual(["0000-18-00-0"]);
});

test("a claim for two devices with one stream left: nothing is allocated", async () => {
  const streams = { streams: 1 } as const;
  const stage = await stageWith([poolOf([deviceOf(FIRST, streams), deviceOf(SECOND, streams)], 1)]);
  const uid = claim(stage, 2);
  const pod = stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(60_000);
  expect([pod.node, devices(stage, uid)]).toEqual([null, []]);
});

test("conditions are looked for every 5 s from the allocation on", async () => {
  const stage = await stageWith([BOTH]);
  const uid = claim(stage);
  const pod = stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(570);
  expect([pod.node, stage.scheduler.waiting]).toEqual([null, [pod]]);
  stage.condition(uid, LINK_SECURED);
  await stage.pass(4_679);
  expect(pod.node).toBeNull();
  await stage.pass(1);
  expect(pod.node).toBe("node-1");
});

test("a failure that is told before the taint: the same device again; told after it: another one", async () => {
  for (const isTainted of [false, true]) {
    const stage = await stageWith([BOTH]);
    const uid = claim(stage);
    const pod = stage.addPod("pod-0", { claims: [uid] });
    await stage.pass(1_000);
    if (isTainted) change(stage, poolOf([deviceOf(FIRST, { ...BOUND_LATE, taints: [LINK_FAILED_TAINT] }), deviceOf(SECOND, BOUND_LATE)]));
    stage.condition(uid, LINK_FAILED);
    await stage.pass(4_250);
    expect([truth(stage, uid)?.reservedFor, devices(stage, uid)]).toEqual([[], ["0000-17-00-0"]]);
    await stage.pass(1_400);
    expect([devices(stage, uid), truth(stage, uid)?.conditions]).toEqual([[], []]);
    await stage.pass(80);
    expect(devices(stage, uid)).toEqual([isTainted ? "0000-18-00-0" : "0000-17-00-0"]);
    expect(truth(stage, uid)?.reservedFor.map(({ name }) => name)).toEqual([pod.name]);
  }
});

test("the first device that is not ready hides the failure of the next one", async () => {
  const stage = await stageWith([BOTH]);
  const uid = claim(stage, 2);
  const pod = stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(1_000);
  const failed = { type: LINK_FAILED, status: "True", reason: "Spdm", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" } as const;
  stage.api.changeClaim(uid, { conditions: [{ pool: BOTH.name, device: "0000-18-00-0", conditions: [failed] }] });
  await stage.pass(12_000);
  expect([pod.refusals, stage.scheduler.waiting]).toEqual([[], [pod]]);
  stage.condition(uid, LINK_FAILED);
  await stage.pass(5_000);
  expect(pod.refusals).toHaveLength(1);
});

test("two claims, one fails: both are freed, one a cycle, and the pod goes to the other node", async () => {
  const stage = await stageWith([BOTH], { hasElsewhere: true });
  const uids = [claim(stage), claim(stage)] as const;
  const pod = stage.addPod("pod-0", { claims: uids });
  await stage.pass(1_000);
  change(stage, poolOf([deviceOf(FIRST, { ...BOUND_LATE, taints: [LINK_FAILED_TAINT] }), deviceOf(SECOND, BOUND_LATE)]));
  stage.condition(uids[0], LINK_FAILED);
  await stage.pass(4_250 + 1_400);
  expect(uids.filter((uid) => devices(stage, uid).length === 0)).toHaveLength(1);
  await stage.pass(400);
  expect([pod.node, uids.map((uid) => truth(stage, uid)?.allocation?.node)]).toEqual([ELSEWHERE, [ELSEWHERE, ELSEWHERE]]);
});

test("an extended resource: the claim is the scheduler's, goes with a failure, and comes again under another name", async () => {
  const stage = await stageWith([BOTH]);
  const pod = stage.addPod("pod-0", { extended: { resource: "teeio.dev/gpu", count: 1 } });
  change(stage, poolOf([deviceOf(FIRST, { ...BOUND_LATE, attributes: { resource: "teeio.dev/gpu" } }), deviceOf(SECOND, BOUND_LATE)]));
  await stage.pass(1_000);
  const first = pod.extendedClaim ?? "";
  expect(truth(stage, first)?.name).toMatch(/^pod-0-extended-resources-\d{5}$/);
  stage.condition(first, LINK_FAILED);
  await stage.pass(4_250);
  expect([truth(stage, first), pod.extendedClaim]).toEqual([undefined, null]);
  await stage.pass(1_500);
  const second = pod.extendedClaim ?? "";
  expect(devices(stage, second)).toEqual(["0000-17-00-0"]);
  stage.condition(second, LINK_SECURED);
  await stage.pass(5_000);
  expect(pod.node).toBe("node-1");
  expect(pod.asSeen("node-1", truth(stage, second)?.name ?? null)?.containers[0]?.claims).toEqual({ "teeio.dev/gpu": truth(stage, second)?.name });
  pod.stage = "Over";
  stage.api.podsChanged();
  await stage.pass(1_000);
  expect(stage.api.claims.state.items.size).toBe(0);
});

test("a claim whose conditions never come: freed at the tick after the timeout, and the same device again", async () => {
  const stage = await stageWith([BOTH], { bindingTimeoutMs: 12_000 });
  const uid = claim(stage);
  stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(15_250);
  expect(truth(stage, uid)?.reservedFor).toEqual([]);
  const first = truth(stage, uid)?.allocation?.atMs;
  await stage.pass(1_500);
  expect(devices(stage, uid)).toEqual(["0000-17-00-0"]);
  expect(truth(stage, uid)?.allocation?.atMs).not.toBe(first);
});

test("a waiting pod is deleted: a template's claim is free within 5 s, a user's device only at the timeout", async () => {
  for (const owner of ["uid-of-pod-0", null]) {
    const stage = await stageWith([poolOf([deviceOf(FIRST, BOUND_LATE)])], { bindingTimeoutMs: 60_000 });
    const uid = claim(stage, 1, { owner });
    const pod = stage.addPod("pod-0", { claims: [uid] });
    await stage.pass(1_000);
    pod.isInApi = false;
    stage.api.podsChanged();
    await stage.pass(100);
    expect(devices(stage, uid)).toEqual([]);
    const next = claim(stage);
    stage.addPod("pod-1", { claims: [next] });
    await stage.pass(4_500);
    expect(devices(stage, next)).toEqual(owner === null ? [] : ["0000-17-00-0"]);
    await stage.pass(56_000);
    change(stage, poolOf([deviceOf(FIRST, { ...BOUND_LATE, attributes: { again: true } })]));
    await stage.pass(100);
    expect(devices(stage, next)).toEqual(["0000-17-00-0"]);
  }
});

test("a second pod of a claim waits with the first one, and is refused when its condition has gone stale", async () => {
  const stage = await stageWith([BOTH]);
  const uid = claim(stage);
  const pods = [stage.addPod("pod-0", { claims: [uid] }), stage.addPod("pod-1", { claims: [uid] })];
  await stage.pass(1_000);
  expect(stage.scheduler.waiting).toEqual(pods);
  stage.condition(uid, LINK_SECURED);
  await stage.pass(5_000);
  expect(pods.map(({ node }) => node)).toEqual(["node-1", "node-1"]);
  stage.condition(uid, LINK_SECURED, "False");
  const third = stage.addPod("pod-2", { claims: [uid] });
  await stage.pass(60_000);
  expect([third.node, stage.scheduler.waiting]).toEqual([null, []]);
});

test("a restart of the scheduler keeps allocations and their clocks", async () => {
  const stage = await stageWith([BOTH]);
  const pod = stage.addPod("pod-0", { extended: { resource: "teeio.dev/gpu", count: 1 } });
  change(stage, poolOf([deviceOf(FIRST, { ...BOUND_LATE, attributes: { resource: "teeio.dev/gpu" } })]));
  await stage.pass(1_000);
  const uid = pod.extendedClaim ?? "";
  const before = truth(stage, uid)?.allocation;
  stage.scheduler.restart();
  await stage.pass(1_000);
  expect([pod.extendedClaim, truth(stage, uid)?.allocation]).toEqual([uid, before]);
  stage.condition(uid, LINK_SECURED);
  await stage.pass(5_000);
  expect(pod.node).toBe("node-1");
});

test("a cache that is behind gives a device away that is tainted by now", async () => {
  const stage = await stageWith([BOTH], { lagMs: 800 });
  await stage.pass(1_000);
  const uid = claim(stage);
  stage.addPod("pod-0", { claims: [uid] });
  await stage.pass(600);
  change(stage, poolOf([deviceOf(FIRST, { ...BOUND_LATE, taints: [LINK_FAILED_TAINT] }), deviceOf(SECOND, BOUND_LATE)]));
  await stage.pass(300);
  expect(devices(stage, uid)).toEqual(["0000-17-00-0"]);
});
