// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { DRA_DRIVER } from "../../../src/domain/dra/names.ts";
import { clearObjections } from "../checks/clear-rules.ts";
import { EVER } from "../checks/setup-rules.ts";
import { ClaimPod } from "../models/claim-pod.ts";
import { PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { POOL } from "../models/dra-stage.ts";
import { GPU, PLAIN, plainIntent, REG_BASES, specOf } from "../models/shape.ts";
import { Run } from "../runs/history.ts";
import { advance, step, UP } from "../scenarios/scenario.ts";

const ADDRESS = "0000:17:00.0";
const RULE = { name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } } as const;

/** A node with DRA, whose agent has published its device. */
async function played() {
  const run = new Run({ ...PLAIN, spec: specOf(plainIntent({ resources: [RULE] })), dra: PLAIN_DRA_WORLD }, null);
  for (const one of UP) await run.take(one);
  const { world } = run;
  const { dra, process } = world;
  if (dra === null || process === null) throw new Error("no DRA, or no agent");
  await run.take(advance(2_000));
  return { run, world, dra };
}

test("a pod with an extended resource by DRA: allocated, prepared, open, shown by kubelet and by the API, and free again", async () => {
  const { run, world, dra } = await played();
  const pod = dra.api.addPod(new ClaimPod("trainer", { extended: { resource: GPU, count: 1 } }));
  await run.take(advance(1_000));
  expect([pod.stage, world.host.find(ADDRESS)?.opens.value, dra.hasOpen(ADDRESS)]).toEqual(["Running", 1, true]);
  const claim = dra.api.claims.get(pod.extendedClaim ?? "")?.value.name;
  const listed = world.kubelet.listed();
  expect(listed).toMatchObject([{ pod: "trainer", resource: DRA_DRIVER, claim, ids: [`${POOL}/0000-17-00-0`] }]);
  const pods = world.api.podsView(new Set(["teeio.dev"]));
  expect(pods.kind === "Read" ? pods.pods : []).toMatchObject([{ name: "trainer", containers: [{ asks: { [GPU]: 1 }, claims: { [GPU]: claim } }] }]);
  dra.kubelet.end(pod, false);
  await run.take(advance(1_000));
  expect([world.host.find(ADDRESS)?.opens.value, dra.folder.files.size, dra.api.claims.state.items.size]).toEqual([0, 0, 0]);
  expect(run.violations).toEqual([]);
  run.abandon();
});

test("kubelet's restart, a crash of the agent and a reboot reach DRA's models, too", async () => {
  const { run, world, dra } = await played();
  const { plugin } = dra.kubelet;
  await run.take(step("killKubelet"));
  expect(dra.kubelet.plugin).toBeNull();
  await run.take(step("startKubelet"));
  await run.take(advance(2_000));
  expect([dra.kubelet.plugin, dra.kubelet.wipedMs.length]).toEqual([plugin, 2]);
  const pod = dra.api.addPod(new ClaimPod("trainer", { extended: { resource: GPU, count: 1 } }));
  await run.take(advance(1_000));
  await run.take(step("crashAgent"));
  expect([dra.kubelet.plugin, pod.stage, dra.folder.files.size]).toEqual([null, "Running", 1]);
  await run.take(step("reboot"));
  expect([pod.stage, dra.folder.files.size, world.host.find(ADDRESS)?.opens.value]).toEqual(["Pending", 0, 0]);
  expect(run.violations).toEqual([]);
});

test("a claim file is void from the loss of trust on, and behind a closed gate no claim is prepared", async () => {
  const { run, world, dra } = await played();
  const first = dra.api.addPod(new ClaimPod("trainer", { extended: { resource: GPU, count: 1 } }));
  await run.take(advance(1_000));
  expect(dra.folder.inPlace).toHaveLength(1);
  world.module.loadModuleAnew();
  await run.take(step("setIntent", { word: "cleared", at: 0 }));
  await run.take(advance(30_000));
  expect([dra.folder.inPlace.length, dra.folder.files.size]).toEqual([0, 1]);
  dra.kubelet.end(first, false);
  const another = dra.api.addPod(new ClaimPod("another", { extended: { resource: GPU, count: 1 } }));
  await run.take(advance(1_000));
  expect([another.stage, dra.folder.files.size]).toEqual(["Pending", 0]);
  expect(run.violations).toEqual([]);
  run.abandon();
});

test("CLEAR while a claim is prepared, allocated, or a device still in a slice", async () => {
  const { run, world, dra } = await played();
  dra.api.addPod(new ClaimPod("trainer", { extended: { resource: GPU, count: 1 } }));
  await run.take(advance(1_000));
  const { process } = world;
  const unit = world.module.find(REG_BASES[0]);
  if (process === null || unit === null) throw new Error("no agent, or no unit");
  const target = { regBase: unit.regBase, tdxIommuId: unit.id ?? 0n, setupSeq: unit.seq };
  const why = clearObjections({ world, process, target, busy: EVER, answeredMs: new Map() }).map((one) => one.why);
  expect(why).toContainEqual(expect.stringMatching(/^claim trainer-\S+ is prepared with a device below$/));
  expect(why).toContainEqual(expect.stringMatching(/^claim trainer-\S+ is allocated a device below$/));
  expect(why).toContain(`the scheduler still has ${ADDRESS} to give away`);
  run.abandon();
});

test("steps: a pod for each way to ask, until it has ended", async () => {
  for (const word of ["extended", "template", "named"]) {
    const { run, dra } = await played();
    await run.take(step("createClaimPod", { word, at: 1 }));
    await run.take(advance(1_000));
    await run.take(step("restartClaimContainer", { word: "claim-pod-0" }));
    await run.take(step("holdWatch", { word: "slices", at: 1 }));
    await run.take(step("terminateClaimPod", { word: "claim-pod-0" }));
    expect(dra.api.pods.map(({ stage }) => stage)).toEqual(["Running"]);
    await run.take(step("finishClaimPod", { word: "claim-pod-0" }));
    await run.take(advance(1_000));
    const claims = [...dra.api.claims.state.items.values()].map(({ value }) => value.allocation);
    expect([claims, dra.folder.files.size, dra.kubelet.known]).toEqual([word === "named" ? [null] : [], 0, []]);
    expect(run.violations).toEqual([]);
    run.abandon();
  }
});

test("a slice that is being written while the spec gives its device to the device plugin: no ledger has it beside the other", async () => {
  const slow = { ...PLAIN_DRA_WORLD, api: { ...PLAIN_DRA_WORLD.api, latencyMs: 50, slicesLagMs: 300 } };
  const run = new Run({ ...PLAIN, spec: specOf(plainIntent({ resources: [RULE] })), dra: slow }, null);
  for (const one of UP) await run.take(one);
  for (const word of ["cleared", "trusted"]) {
    await run.take(step("setIntent", { word, at: 0 }));
    if (word === "cleared") await run.take(advance(7_000));
  }
  await run.take(step("setIntent", { word: "ledger", at: 0 }));
  await run.take(advance(5_000));
  expect(run.world.kubelet.healthy(GPU)).toContain(ADDRESS);
  expect(run.violations).toEqual([]);
  run.abandon();
});
