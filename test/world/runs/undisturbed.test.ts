// SPDX-License-Identifier: Apache-2.0

/** What a slow connect, of this agent or of another program, must leave alone: lists, answers to Allocate, and the host. In counts. */
import { expect, test } from "vitest";
import type { World } from "../life/world.ts";
import { GPU, GPU_VENDOR, NIC, PLAIN, plainIntent, REG_BASES, specOf, type WorldShape } from "../models/shape.ts";
import { advance, POD, step, UP } from "../scenarios/scenario.ts";
import type { Step } from "../steps/steps.ts";
import { Run } from "./history.ts";

const ON_PREPARE: Partial<WorldShape> = { linkEnable: "OnPrepare", spec: specOf(plainIntent({ link: { enable: "OnPrepare" } })) };

function withSlots(count: number): Partial<WorldShape> {
  const address = (at: number): string => `0000:17:${at.toString(16).padStart(2, "0")}.0`;
  const device = (at: number) => ({ address: address(at), vendor: GPU_VENDOR, regBase: REG_BASES[0], isTeeCapable: true });
  return { ...ON_PREPARE, devices: Array.from({ length: count }, (_, at) => device(at)) };
}

async function ran(shape: Partial<WorldShape>, ...steps: readonly Step[]): Promise<Run> {
  const run = new Run({ ...PLAIN, ...shape }, null);
  await take(run, ...steps);
  return run;
}

async function take(run: Run, ...steps: readonly Step[]): Promise<void> {
  for (const one of steps) await run.take(one);
}

/** The calls that the agent has waited for when it answers Allocate, by point. */
async function admission(run: Run, pod: number): Promise<Readonly<Record<string, number>>> {
  const { turnstile, time } = run.world;
  await take(run, step("createPod", { word: GPU, at: 1 }));
  const [before, nowMs] = [new Map(turnstile.passed), time.nowMs];
  await take(run, step("admitPod", { word: `pod-${pod}` }, "kubelet.allocate.answer"));
  expect(turnstile.isWaiting("kubelet.allocate.answer")).toBe(true);
  expect(time.nowMs).toBe(nowMs);
  const asked = (["host.observeFunction", "seamcall.list", "proofs.append"] as const).map((point) => [
    point,
    (turnstile.passed.get(point) ?? 0) - (before.get(point) ?? 0),
  ]);
  await take(run, advance(0));
  expect(run.world.api.pods[pod]?.stage).toBe("Held");
  return Object.fromEntries(asked);
}

const healthy = ({ kubelet }: World): number => kubelet.healthy(GPU).length;

test("a connect of 30 s on one of 20 slots withdraws nothing, and leaves what an Allocate waits for as it was", async () => {
  const quick = await ran(withSlots(20), ...UP);
  await admission(quick, 0);
  await take(quick, advance(5_000));
  const before = await admission(quick, 1);
  quick.abandon();

  const run = await ran({ ...withSlots(20), linkMs: 30_000 }, ...UP);
  await admission(run, 0);
  await take(run, advance(5_000));
  expect(run.world.links.isBusy).toBe(true);
  const lists = run.world.kubelet.lists.get(GPU);
  expect(await admission(run, 1)).toEqual(before);
  await take(run, advance(24_000));
  expect(run.world.links.isBusy).toBe(true);
  expect(healthy(run.world)).toBe(20);
  expect(run.world.kubelet.lists.get(GPU)).toBe(lists);
  expect(run.violations).toEqual([]);
  run.abandon();
});

test("a connect of another program and a uevent of another device meanwhile make no list but that device's", async () => {
  const run = await ran(ON_PREPARE, ...UP, advance(12_000));
  const lists = (resource: string): number => run.world.kubelet.lists.get(resource) ?? 0;
  const before = [lists(GPU), lists(NIC)] as const;
  await take(run, step("blockTsm"), step("unbindVfio", { at: 1 }), advance(1_500), step("blockTsm"), advance(5_000));
  expect([lists(GPU), lists(NIC)]).toEqual([before[0], before[1] + 1]);
  expect(run.world.kubelet.healthy(GPU)).toEqual(["0000:17:00.0"]);
  expect(run.violations).toEqual([]);
  run.abandon();
});

test("while its own write runs the agent looks at the host no more often than ever", async () => {
  const slow = { ...withSlots(3), linkMs: 60_000, observeEveryMs: 10_000 };
  const run = await ran(slow, ...UP, ...POD, step("createPod", { word: GPU, at: 1 }), step("admitPod", { word: "pod-1" }), advance(25_000));
  const looks = (): number => run.world.turnstile.passed.get("host.observe") ?? 0;
  expect(run.world.links.isBusy).toBe(true);
  const before = looks();
  await take(run, advance(30_000));
  expect(run.world.links.isBusy).toBe(true);
  expect(looks() - before).toBeLessThanOrEqual(4);
  // The end of the write needs no such look: the other link follows at once.
  await take(run, advance(10_000));
  expect(run.world.host.functions.map(({ link }) => link.value)).toEqual(["Tsm", "Off", "Off"]);
  expect(run.world.links.isBusy).toBe(true);
  run.abandon();
});

/** Kubelet's pod worker comes back to a pod whose sync failed after 10 to 15 s (`backOffPeriod`, pkg/kubelet/pod_workers.go). */
const RETRY_MS = 10_000;

test("eight devices whose SPDM takes 5 s each run after at most two starts that kubelet repeats", async () => {
  const run = await ran({ ...withSlots(8), linkMs: 5_000 }, ...UP);
  const { api, time } = run.world;
  for (let at = 0; at < 8; at += 1) await take(run, step("createPod", { word: GPU, at: 1 }), step("admitPod", { word: `pod-${at}` }));
  const dueMs = new Map<string, number>();
  for (let second = 0; second < 120 && !api.pods.every(({ isRunning }) => isRunning); second += 1) {
    for (const pod of api.pods) {
      const isRefused = !pod.isRunning && !pod.isStarting;
      if (isRefused && !dueMs.has(pod.key)) dueMs.set(pod.key, time.nowMs + RETRY_MS);
      if ((dueMs.get(pod.key) ?? Number.POSITIVE_INFINITY) > time.nowMs) continue;
      dueMs.delete(pod.key);
      await take(run, step("startContainer", { word: pod.key }));
    }
    await take(run, advance(1_000));
  }
  const refusals = api.pods.map((pod) => pod.refusals.length);
  expect(api.pods.map(({ isRunning }) => isRunning)).toEqual(Array.from({ length: 8 }, () => true));
  expect(Math.max(...refusals)).toBeLessThanOrEqual(2);
  expect(run.world.kubelet.healthy(GPU)).toHaveLength(8);
  expect(run.violations).toEqual([]);
  run.abandon();
});
