// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { LINK_SECURED } from "../../../src/domain/dra/names.ts";
import type { ClaimPod } from "./claim-pod.ts";
import { DraStage, deviceOf, FIRST, poolOf } from "./dra-stage.ts";

async function bound(about: Parameters<DraStage["api"]["addClaim"]>[1] = {}) {
  const stage = new DraStage();
  await stage.pass(1_000);
  stage.api.pools.put("teeio.dev/p", { driver: "teeio.dev", node: "node-1", pool: poolOf([deviceOf(FIRST)]), isWhole: true });
  const { uid } = stage.api.addClaim([{ request: "gpu", count: 1 }], about);
  const pods = [stage.addPod("pod-0", { claims: [uid] }), stage.addPod("pod-1", { claims: [uid] })];
  await stage.pass(1_000);
  return { stage, uid, pods, claim: () => stage.api.claims.get(uid)?.value };
}

function end(stage: DraStage, pod: ClaimPod | undefined): void {
  if (pod) pod.stage = "Over";
  stage.api.podsChanged();
}

test("a claim is deallocated, with its finalizer and conditions, when the last of its pods has ended", async () => {
  const { stage, uid, pods, claim } = await bound();
  stage.condition(uid, LINK_SECURED);
  end(stage, pods[0]);
  await stage.pass(100);
  expect([claim()?.reservedFor.map(({ name }) => name), claim()?.allocation?.devices.length]).toEqual([["pod-1"], 1]);
  end(stage, pods[1]);
  await stage.pass(49);
  expect(claim()?.allocation).not.toBeNull();
  expect(claim()?.conditions).toHaveLength(1);
  await stage.pass(1);
  expect(claim()).toMatchObject({ reservedFor: [], allocation: null, conditions: [], hasFinalizer: false });
});

test("a claim that a pod was the reason for goes with it", async () => {
  const { stage, pods, claim } = await bound({ owner: "uid-of-pod-0" });
  end(stage, pods[1]);
  await stage.pass(100);
  expect(claim()?.isDeleting).toBe(false);
  end(stage, pods[0]);
  await stage.pass(100);
  expect(claim()).toBeUndefined();
});

test("a claim that is deleted while it is used stays until it is not", async () => {
  const { stage, uid, pods, claim } = await bound();
  stage.api.deleteClaim(uid);
  await stage.pass(100);
  expect(claim()?.allocation).not.toBeNull();
  for (const pod of pods) end(stage, pod);
  await stage.pass(100);
  expect(claim()).toBeUndefined();
});

test("without the API server nothing is freed; what the scheduler has given up is the scheduler's to free", async () => {
  const { stage, uid, pods, claim } = await bound();
  stage.setReachable(false);
  for (const pod of pods) end(stage, pod);
  await stage.pass(10_000);
  expect(claim()?.allocation).not.toBeNull();
  stage.setReachable(true);
  await stage.pass(1_000);
  expect(claim()?.allocation).toBeNull();
  stage.api.changeClaim(uid, { allocation: { node: "node-1", atMs: 0, devices: [] }, reservedFor: [] });
  await stage.pass(10_000);
  expect(claim()?.allocation).not.toBeNull();
});
