// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { ClaimFile } from "../../../src/domain/dra/claim-file.ts";
import { draDeviceName } from "../../../src/domain/dra/names.ts";
import { ClaimFolder } from "../models/claim-files-model.ts";
import { DraApi, PLAIN_DRA } from "../models/dra-api.ts";
import { deviceOf, LINK_FAILED_TAINT, POOL, poolOf } from "../models/dra-stage.ts";
import { GPU, KEEP, NIC, NIC_VENDOR, PLAIN, plainIntent, specOf } from "../models/shape.ts";
import { Run } from "../runs/history.ts";
import { advance, TWO_GPUS, UP } from "../scenarios/scenario.ts";
import { CHECKS, type CheckName, type CheckTools } from "./check-tools.ts";
import { claimFilesInPlace, inTwoClaims, inTwoLedgers, overCommitted, tooManyLinks } from "./dra-checks.ts";
import { objections } from "./eligibility.ts";
import { OverdueChecks } from "./overdue-checks.ts";
import { checkPrepare } from "./prepare-checks.ts";

const [FIRST, SECOND] = ["0000:17:00.0", "0000:17:01.0"] as const;
const BY_DRA = specOf(
  plainIntent({
    resources: [
      { name: GPU, ledger: "DRA", driver: KEEP, match: { vendors: ["10de"] } },
      { name: NIC, ledger: "DevicePlugin", driver: KEEP, match: { vendors: [NIC_VENDOR] } },
    ],
  }),
);

function fileOf(uid: string, addresses: readonly string[], about: Partial<ClaimFile> = {}): ClaimFile {
  const devices = addresses.map((address) => ({ address, request: "gpu", pool: POOL, node: null, epoch: "e", attributes: {} }));
  return { namespace: "default", name: uid, uid, podClaimName: null, bootId: "boot-1", simulated: true, isVoid: false, devices, ...about };
}

/** A node that is trusted, with its GPUs in the ledger DRA, and a claim for the first one, prepared. */
async function prepared() {
  const run = new Run({ ...PLAIN, ...TWO_GPUS, spec: BY_DRA }, null);
  for (const step of UP) await run.take(step);
  const { world } = run;
  const { host, module, time, specs } = world;
  const spanOf = (address: string) => module.find(host.find(address)?.regBase ?? "")?.trust.value ?? null;
  const folder = new ClaimFolder({ time, areWritable: specs.areWritable, spanOf, isTmpfs: true });
  const api = new DraApi(time, PLAIN_DRA, world.api.isReachable);
  const wrong: string[] = [];
  const tools: CheckTools = {
    world,
    checked: Object.fromEntries(CHECKS.map((name) => [name, 0])) as Record<CheckName, number>,
    against: (process, address, resource, purpose = "List") =>
      objections({ world, process, address, resource, purpose, isSecuredBefore: () => false }),
    violate: (what, why) => void wrong.push(`${what}: ${why}`),
  };
  const given = { requests: ["gpu"], pool: POOL, device: draDeviceName(FIRST), cdiNames: ["teeio.dev/claim=0"] };
  const result = { request: "gpu", pool: POOL, device: given.device, adminAccess: false, bindingConditions: [], bindingFailureConditions: [] };
  const claim = api.addClaim([], { allocation: { node: "node-1", atMs: 0, devices: [result] } });
  folder.put(fileOf(claim.uid, [FIRST], { name: claim.name }));
  /** What is wrong with a yes that is said now, to a call that has come before `meanwhile`. */
  const judge = (about: Partial<typeof given> = {}, meanwhile = (): unknown => null) => {
    const { process } = world;
    wrong.length = 0;
    time.tick += 1;
    const yes = { claim, given: [{ ...given, ...about }], arrivedTick: time.tick, arrivedMs: time.nowMs };
    meanwhile();
    if (process !== null) checkPrepare({ tools, process, yes, folder, api });
    return [...wrong];
  };
  return { run, world, folder, api, tools, wrong, claim, judge };
}

test("a device in both ledgers", () => {
  const of = (pool: ReturnType<typeof poolOf>, driver = "teeio.dev") => ({ driver, node: "node-1", pool, isWhole: true });
  const lists = new Map([[GPU, [FIRST, SECOND]]]);
  expect(inTwoLedgers({ lists, pools: [of(poolOf([deviceOf(FIRST)]))] })).toEqual([`${FIRST} is in the list of ${GPU} and in a slice`]);
  expect(
    inTwoLedgers({ lists, pools: [of(poolOf([deviceOf(FIRST, { taints: [LINK_FAILED_TAINT] })])), of(poolOf([deviceOf(SECOND)]), "other")] }),
  ).toEqual([]);
});

test("a device in two claims of this boot, void or not", () => {
  const one = fileOf("a", [FIRST, SECOND]);
  expect(inTwoClaims([one, fileOf("b", [SECOND], { simulated: true, isVoid: true })], "boot-1")).toEqual([
    `${SECOND} is prepared for default/a and for default/b`,
  ]);
  expect(inTwoClaims([one, fileOf("b", [SECOND], { bootId: "boot-0" })], "boot-1")).toEqual([]);
});

test("more links, or allocated slots, than streams", async () => {
  const { run, world, api, claim } = await prepared();
  const { functions } = world.host;
  for (const fn of functions) world.host.secure(fn, "Stream");
  expect([tooManyLinks(functions, 2), tooManyLinks(functions, 1)]).toEqual([[], [`2 links, and 1 streams: ${FIRST} ${SECOND}`]]);
  const claims = () => [...api.claims.state.items.values()].map(({ value }) => value);
  expect(overCommitted(claims(), { node: "node-1", functions, streams: 1 })).toEqual([]);
  const [result] = claim.allocation?.devices ?? [];
  if (result) api.addClaim([], { allocation: { node: "node-1", atMs: 0, devices: [{ ...result, device: draDeviceName(SECOND) }] } });
  expect(overCommitted(claims(), { node: "node-1", functions, streams: 1 })).toHaveLength(1);
  expect(overCommitted(claims(), { node: "node-2", functions, streams: 1 })).toEqual([]);
  run.abandon();
});

test("a yes behind an open gate, for what the claim was allocated", async () => {
  const { run, judge } = await prepared();
  expect(judge()).toEqual([]);
  expect(judge({ cdiNames: [] })).toEqual([`Prepare: ${FIRST}: no CDI name is given`]);
  expect(judge({ device: draDeviceName(SECOND) })).toEqual([
    `Prepare: ${POOL}/0000-17-01-0 is given, and claim-1 is not allocated it`,
    `Prepare: claim-1 is allocated ${POOL}/0000-17-00-0, and is not given it`,
    `Prepare: ${SECOND}: no claim file of this boot gives it`,
  ]);
  expect(judge({ device: "gpu-0" })).toContain(`Prepare: ${POOL}/gpu-0 is given, and is no device of this host`);
  run.abandon();
});

test("a yes behind a closed gate, without a file, or for what another claim has", async () => {
  const { run, world, folder, api, claim, judge } = await prepared();
  folder.put(fileOf("b", [FIRST], { simulated: true, isVoid: true }));
  expect(judge()).toEqual([`Prepare: ${FIRST}: claim b has it`]);
  folder.remove("b");
  folder.void(claim.uid);
  expect(judge()).toEqual([`Prepare: ${FIRST}: no claim file of this boot gives it`]);
  folder.put(fileOf(claim.uid, [FIRST], { name: claim.name }));
  api.changeClaim(claim.uid, { parameters: ["spec.devices.config[0]"] });
  expect(judge()).toEqual(["Prepare: claim-1 has parameters"]);
  api.changeClaim(claim.uid, { parameters: [] });
  // Nobody can know what becomes so while he answers.
  const fn = world.host.find(FIRST);
  if (fn === null) throw new Error("no such function");
  expect(judge({}, () => world.host.plug(fn, false))).toEqual([]);
  expect(judge()).toEqual([`Prepare: ${FIRST}: it is not on the bus`]);
  world.host.plug(fn, true);
  world.module.loadModuleAnew();
  expect(judge()).toEqual([`Prepare: ${FIRST}: its unit is not trusted`]);
  run.abandon();
});

test("a yes while the device's link is not secured, or while the device plugin has given it away", async () => {
  const { run, world, judge } = await prepared();
  await run.take(advance(60_000));
  const onPrepare = { ...BY_DRA, intent: BY_DRA.intent && { ...BY_DRA.intent, link: { enable: "OnPrepare" as const } } };
  world.api.setSpec(onPrepare);
  await run.take(advance(1_000));
  expect(judge()).toEqual([`Prepare: ${FIRST}: its link is not secured`]);
  const fn = world.host.find(FIRST);
  if (fn) world.host.secure(fn, "Tsm");
  expect(judge()).toEqual([]);
  world.api.setSpec(specOf(plainIntent()));
  await run.take(advance(1_000));
  expect(judge()).toContain(`Prepare: ${FIRST}: another ledger has it`);
  run.abandon();
});

test("a claim file outlives the trust in its device for as long as a CDI spec may", async () => {
  const { run, world, folder, tools, wrong, claim } = await prepared();
  const overdue = new OverdueChecks(tools, () => claimFilesInPlace(world, folder));
  const { observeEveryMs } = world.shape;
  overdue.atRest();
  expect([claimFilesInPlace(world, folder).flatMap(({ against }) => against), wrong]).toEqual([[], []]);
  world.module.loadModuleAnew();
  await run.take(advance(0));
  await run.take(advance(observeEveryMs + 11_001));
  overdue.atRest();
  expect(wrong.filter((one) => one.startsWith("claim file"))).toEqual([
    `claim file of claim-1: ${FIRST} is still in it: trust was lost since it was written`,
  ]);
  wrong.length = 0;
  folder.void(claim.uid);
  overdue.atRest();
  expect(wrong.filter((one) => one.startsWith("claim file"))).toEqual([]);
  run.abandon();
});

test("a claim file that nobody could read has that time from when it is in order again", async () => {
  const { run, world, folder, tools, wrong, claim } = await prepared();
  const overdue = new OverdueChecks(tools, () => claimFilesInPlace(world, folder));
  const ofFiles = () => wrong.filter((one) => one.startsWith("claim file"));
  folder.damaged.add(claim.uid);
  world.module.loadModuleAnew();
  await run.take(advance(60_000));
  folder.repair();
  overdue.atRest();
  expect(ofFiles()).toEqual([]);
  await run.take(advance(world.shape.observeEveryMs + 11_001));
  overdue.atRest();
  expect(ofFiles()).toEqual([`claim file of claim-1: ${FIRST} is still in it: trust was lost since it was written`]);
  run.abandon();
});
