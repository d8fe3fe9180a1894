// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { DraStage, deviceOf, FIRST, POOL, poolOf, SECOND } from "./dra-stage.ts";

/** An agent that has published two devices, and is registered. */
async function staged() {
  const stage = new DraStage();
  const agent = stage.agent();
  agent.slices.publish([poolOf([deviceOf(FIRST), deviceOf(SECOND)])]);
  await stage.pass(2_000);
  return { stage, agent };
}

function podWith(stage: DraStage, name: string, count = 1) {
  const claims = Array.from({ length: count }, () => stage.api.addClaim([{ request: "gpu", count: 1 }]));
  return { pod: stage.addPod(name, { claims: claims.map(({ uid }) => uid) }), uid: claims[0]?.uid ?? "" };
}

async function running() {
  const all = await staged();
  const made = podWith(all.stage, "pod-0");
  await all.stage.pass(1_000);
  expect(made.pod.stage).toBe("Running");
  return { ...all, ...made };
}

test("all claims of a pod come in one call, and podresources shows what was given", async () => {
  const { stage } = await staged();
  const { pod } = podWith(stage, "pod-0", 2);
  await stage.pass(1_000);
  expect(stage.calls).toEqual(["prepare claim-1", "prepare claim-2"]);
  expect(stage.answered.map(({ arrivedTick }) => arrivedTick)).toEqual(Array(2).fill(stage.answered[0]?.arrivedTick));
  expect([pod.stage, pod.devices.map(({ node }) => node)]).toEqual(["Running", ["/dev/vfio/devices/0000-17-00-0", "/dev/vfio/devices/0000-18-00-0"]]);
  expect(stage.kubelet.listed()).toEqual([
    {
      namespace: "default",
      pod: "pod-0",
      resource: "teeio.dev",
      ids: [`${POOL}/0000-17-00-0`],
      claim: "claim-1",
      aliases: ["teeio.dev/claim=0000-17-00-0"],
    },
    {
      namespace: "default",
      pod: "pod-0",
      resource: "teeio.dev",
      ids: [`${POOL}/0000-18-00-0`],
      claim: "claim-2",
      aliases: ["teeio.dev/claim=0000-18-00-0"],
    },
  ]);
});

test("a second pod of a prepared claim, and a container that starts again: no call", async () => {
  const { stage, uid, pod } = await running();
  const other = stage.addPod("pod-1", { claims: [uid] });
  await stage.pass(1_000);
  expect([other.stage, stage.kubelet.restartContainer(pod)]).toEqual(["Running", true]);
  expect(stage.calls).toEqual(["prepare claim-1"]);
});

test("a container whose claim file is void is not made", async () => {
  const { stage, agent, uid, pod } = await running();
  void agent.files.void(uid);
  await stage.pass(0);
  expect(stage.kubelet.restartContainer(pod)).toBe(false);
  await stage.pass(60_000);
  expect([pod.stage, pod.refusals.length, stage.calls]).toEqual(["Prepared", 7, ["prepare claim-1"]]);
  expect(stage.kubelet.listed()).toHaveLength(1);
});

test("a refused prepare is tried again 69 s later, or when the pod changes", async () => {
  const { stage } = await staged();
  stage.refusal = "its link is not secured yet";
  const { pod } = podWith(stage, "pod-0");
  await stage.pass(1_000);
  stage.refusal = "";
  await stage.pass(68_000);
  expect([stage.calls.length, pod.refusals]).toEqual([1, ["its link is not secured yet"]]);
  await stage.pass(1_000);
  expect([stage.calls.length, pod.stage]).toEqual([2, "Running"]);
  stage.refusal = "again";
  const { pod: other } = podWith(stage, "pod-1");
  await stage.pass(1_000);
  stage.refusal = "";
  stage.kubelet.touch(other);
  await stage.pass(100);
  expect(other.stage).toBe("Running");
});

test("a call ends after 42 s, or with the agent's process", async () => {
  const { stage, agent } = await staged();
  const { pod } = podWith(stage, "pod-0");
  stage.turnstile.stalled = "claims.get";
  await stage.pass(250 + 41_999);
  expect(pod.refusals).toEqual([]);
  await stage.pass(1);
  expect(pod.refusals).toEqual(["not answered in time"]);
  // What the call was about is still worked on: the next one waits for it.
  expect(agent.plugin.publication().inCalls).toEqual(pod.claims);
  await stage.pass(69_000);
  expect(stage.calls).toEqual(["prepare claim-1"]);
  stage.killAgent();
  expect(pod.refusals).toEqual(["not answered in time", "the plugin is gone"]);
  stage.turnstile.stalled = null;
  stage.agent(2);
  await stage.pass(69_000);
  expect(pod.stage).toBe("Running");
});

test("a call to a plugin that is stopped ends after 45 s; one whose kubelet is gone is cancelled", async () => {
  const { stage, agent } = await staged();
  const { pod } = podWith(stage, "pod-0");
  await stage.pass(0);
  stage.turnstile.frozen = 1;
  stage.time.frozen = 1;
  await stage.pass(250 + 44_999);
  expect(pod.refusals).toEqual([]);
  await stage.pass(1);
  expect(pod.refusals).toEqual(["DeadlineExceeded"]);
  stage.turnstile.frozen = null;
  stage.time.frozen = null;
  await stage.pass(0);
  expect(agent.plugin.publication().inCalls).toEqual([]);
  stage.waitsForEnd = true;
  await stage.pass(69_000);
  expect(agent.plugin.publication().inCalls).toEqual(pod.claims);
  stage.killKubelet();
  await stage.pass(0);
  expect([agent.plugin.publication().inCalls, pod.refusals]).toEqual([[], ["DeadlineExceeded"]]);
});

test("what a handler says when its call is over is still answered", async () => {
  const { stage } = await staged();
  stage.waitsForEnd = true;
  const { pod } = podWith(stage, "pod-0");
  await stage.pass(1_250);
  // A change of a pod brings no second call beside the one that goes on.
  stage.kubelet.touch(pod);
  await stage.pass(39_000);
  expect([pod.refusals, stage.calls]).toEqual([["still waiting"], ["prepare claim-1"]]);
});

test("unprepared when the pod has ended, and again until it is answered with a yes", async () => {
  const { stage, agent, uid, pod } = await running();
  const other = stage.addPod("pod-1", { claims: [uid] });
  await stage.pass(1_000);
  stage.kubelet.end(other, true);
  await stage.pass(1_000);
  expect(stage.calls).toEqual(["prepare claim-1"]);
  stage.folder.areWritable.set(false);
  stage.kubelet.end(pod, true);
  await stage.pass(1_000);
  expect([stage.calls, stage.kubelet.known]).toEqual([["prepare claim-1", "unprepare claim-1"], [uid]]);
  stage.folder.areWritable.set(true);
  await stage.pass(61_000);
  expect([stage.calls.length, stage.kubelet.known, stage.folder.files.size, agent.plugin.publication().inCalls]).toEqual([3, [], 0, []]);
});

test("a restart of kubelet: running pods get no call, the claim's next pod prepares it again", async () => {
  const { stage, agent, uid, pod } = await running();
  stage.killKubelet();
  await stage.pass(5_000);
  stage.startKubelet();
  await stage.pass(5_000);
  expect([stage.calls, pod.stage, agent.plugin.publication().registered]).toEqual([["prepare claim-1"], "Running", true]);
  stage.addPod("pod-1", { claims: [uid] });
  await stage.pass(1_000);
  expect(stage.calls).toEqual(["prepare claim-1", "prepare claim-1"]);
});

test("a reboot: prepared again without an unprepare", async () => {
  const { stage, pod } = await running();
  stage.killAgent();
  stage.killKubelet();
  stage.kubelet.reboot();
  stage.folder.reboot();
  stage.startKubelet();
  stage.agent(2);
  await stage.pass(2_000);
  expect(pod.refusals).toEqual(["DRA driver teeio.dev is not registered"]);
  await stage.pass(69_000);
  expect([stage.calls, pod.stage]).toEqual([["prepare claim-1", "prepare claim-1"], "Running"]);
});

test("force-deleted while kubelet is down: its claim is free at once, and unprepared 60.7 s after kubelet's start", async () => {
  const { stage, uid, pod } = await running();
  stage.killKubelet();
  stage.kubelet.forceDelete(pod);
  await stage.pass(1_000);
  expect(stage.api.claims.get(uid)?.value.allocation).toBeNull();
  stage.startKubelet();
  await stage.pass(60_000);
  expect(stage.calls).toEqual(["prepare claim-1"]);
  await stage.pass(700);
  expect([stage.calls, stage.kubelet.known]).toEqual([["prepare claim-1", "unprepare claim-1"], []]);
});

test("slices are wiped at kubelet's start, late when the API server is away, and come back at once", async () => {
  const { stage, agent } = await running();
  stage.killKubelet();
  stage.setReachable(false);
  stage.startKubelet();
  const started = stage.time.nowMs;
  await stage.pass(20_000);
  const before = stage.kubelet.wipedMs.length;
  stage.setReachable(true);
  await stage.pass(60_000);
  expect(stage.kubelet.wipedMs.length).toBe(before + 1);
  expect((stage.kubelet.wipedMs.at(-1) ?? 0) - started).toBeGreaterThan(20_000);
  expect(agent.slices.current()).toMatchObject({ value: { asPublished: true, listed: [{ address: FIRST }, { address: SECOND }] } });
});

test("slices are wiped 30 s after the plugin has gone, whoever is back by then", async () => {
  const { stage } = await running();
  stage.killAgent();
  const gone = stage.time.nowMs;
  await stage.pass(10_000);
  const next = stage.agent(2);
  next.slices.publish([poolOf([deviceOf(FIRST)])]);
  await stage.pass(20_100);
  expect(stage.kubelet.wipedMs.at(-1)).toBe(gone + 30_000);
  expect(next.slices.current()).toMatchObject({ value: { asPublished: true } });
});

test("a kubelet that has ended wipes nothing any more: only the next one, at its start", async () => {
  const { stage } = await running();
  stage.killAgent();
  await stage.pass(10_000);
  stage.killKubelet();
  await stage.pass(10_000);
  stage.startKubelet();
  const started = stage.time.nowMs;
  await stage.pass(60_000);
  expect(stage.kubelet.wipedMs.slice(1)).toEqual([started + 350]);
});

test("an orderly end of the plugin", async () => {
  const { stage, agent } = await running();
  const closed = agent.plugin.close();
  await stage.pass(0);
  await closed;
  expect([agent.plugin.publication().registered, stage.kubelet.plugin]).toEqual([false, null]);
  stage.kubelet.refusals = 1;
  const next = stage.agent(2);
  await stage.pass(1_000);
  expect(next.plugin.publication()).toMatchObject({ registered: false, problem: "refused" });
  await stage.pass(1_000);
  expect([next.plugin.publication(), stage.fatal]).toEqual([{ registered: true, inCalls: [], problem: "" }, []]);
});

test("health is what the plugin said last, until it has been gone for 30 s", async () => {
  const { stage, agent } = await running();
  const device = { pool: POOL, device: "0000-17-00-0", health: "Unhealthy", message: "TrustLost" } as const;
  agent.plugin.health([device]);
  await stage.pass(120_000);
  expect(agent.plugin.shownHealth).toEqual([device]);
  stage.killAgent();
  await stage.pass(29_999);
  expect(agent.plugin.shownHealth).toEqual([device]);
  await stage.pass(1);
  expect(agent.plugin.shownHealth).toEqual([{ ...device, health: "Unknown" }]);
});
