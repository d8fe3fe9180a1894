// SPDX-License-Identifier: Apache-2.0

/**
 * Every history up to a depth, for one unit with two devices, and for one slot with a physical and a virtual function and one IDE stream: no dice, no
 * luck. A history is a word over a small alphabet; each is run from the beginning, and checked like any other.
 */
import type { DraWorld } from "../life/dra-world.ts";
import type { Point } from "../life/turnstile.ts";
import type { World } from "../life/world.ts";
import { PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { GPU, PLAIN, plainIntent, resourcesWith, specOf, type WorldShape } from "../models/shape.ts";
import { VIRTUAL } from "../scenarios/scenario.ts";
import type { Step } from "../steps/steps.ts";
import { Run } from "./history.ts";

const rest = (kind: string, args: Step["args"] = {}): Step => ({ kind, args, flow: "rest" });

/** A node, what happens to it first, and what may happen at each place of a history. Kills come at a wait in the middle of the work, and at rest. */
export interface Theatre {
  readonly name: string;
  readonly shape: WorldShape;
  readonly before: readonly Step[];
  readonly alphabet: readonly Step[];
  /** Of the histories that the tests try: about as many as half a minute of one core has room for. */
  readonly depth: number;
}

const UNIT: readonly Step[] = [
  rest("startAgent"),
  rest("crashAgent"),
  { kind: "startAgent", args: {}, flow: "seamcall.setup" },
  { kind: "startAgent", args: {}, flow: "seamcall.setup.answer" },
  rest("setIntent", { word: "trusted", at: 0 }),
  rest("setIntent", { word: "cleared", at: 0 }),
  { kind: "setIntent", args: { word: "cleared", at: 0 }, flow: "podresources.observe" },
  rest("advance", { ms: 3_100 }),
  rest("createPod", { word: GPU, at: 1 }),
  rest("admitPod", { word: "pod-0" }),
  { kind: "admitPod", args: { word: "pod-0" }, flow: "kubelet.allocate.answer" },
  rest("terminatePod", { word: "pod-0" }),
  rest("finishPod", { word: "pod-0" }),
  rest("secureLink", { at: 0, word: "Tsm" }),
  rest("releaseLink", { at: 0 }),
  rest("loseUnit", { at: 0 }),
  rest("findUnit", { at: 0 }),
  rest("killKubelet"),
  rest("startKubelet"),
  rest("reboot"),
];

const SLOT: readonly Step[] = [
  rest("startAgent"),
  rest("crashAgent"),
  rest("setIntent", { word: "trusted", at: 0 }),
  rest("setIntent", { word: "cleared", at: 0 }),
  rest("advance", { ms: 3_100 }),
  rest("createPod", { word: GPU, at: 1 }),
  rest("admitPod", { word: "pod-0" }),
  { kind: "admitPod", args: { word: "pod-0" }, flow: "tsm.write" },
  { kind: "admitPod", args: { word: "pod-0" }, flow: "tsm.write.answer" },
  rest("terminatePod", { word: "pod-0" }),
  rest("finishPod", { word: "pod-0" }),
  rest("resetLink", { at: 0 }),
  rest("secureLink", { at: 0, word: "Tsm" }),
  rest("bindTdi", { at: 1 }),
  rest("unbindTdi", { at: 1 }),
  rest("linkFault", { at: 0, word: "EIO" }),
  rest("unplug", { at: 1 }),
  rest("replug", { at: 1, word: "" }),
];

const trap = (word: Point): Step => rest("crashAgentAt", { word });

/** From the allocation to the start of the pod. */
const ALLOCATED: readonly Step[] = [
  rest("startAgent"),
  rest("crashAgent"),
  trap("slices.write"),
  trap("claims.get"),
  trap("claim.status.write"),
  trap("cdi.claim"),
  trap("prepare.answer"),
  rest("setIntent", { word: "trusted", at: 0 }),
  rest("setIntent", { word: "cleared", at: 0 }),
  rest("advance", { ms: 400 }),
  rest("advance", { ms: 5_500 }),
  rest("terminateClaimPod", { word: "claim-pod-0" }),
  rest("finishClaimPod", { word: "claim-pod-0" }),
  rest("forceDeleteClaimPod", { word: "claim-pod-0" }),
  rest("holdWatch", { word: "claims", at: 1 }),
  rest("holdWatch", { word: "slices", at: 1 }),
  rest("resetLink", { at: 0 }),
  rest("linkFault", { at: 0, word: "EKEYREJECTED" }),
  rest("unplug", { at: 1 }),
  rest("reboot"),
];

/** From the start of the pod to the next one. */
const PREPARED: readonly Step[] = [
  rest("startAgent"),
  rest("crashAgent"),
  trap("slices.write"),
  trap("unprepare.answer"),
  rest("setIntent", { word: "trusted", at: 0 }),
  rest("setIntent", { word: "cleared", at: 0 }),
  rest("advance", { ms: 5_500 }),
  rest("createClaimPod", { word: "template", at: 1 }),
  rest("restartClaimContainer", { word: "claim-pod-0" }),
  rest("terminateClaimPod", { word: "claim-pod-0" }),
  rest("finishClaimPod", { word: "claim-pod-0" }),
  rest("abandonClaimVm", { word: "claim-pod-0" }),
  rest("endClaimVm", { word: "claim-pod-0" }),
  rest("resetLink", { at: 0 }),
  rest("unplug", { at: 1 }),
  rest("replug", { at: 1, word: "" }),
  rest("killKubelet"),
  rest("startKubelet"),
  rest("reboot"),
];

const link = { enable: "OnPrepare" } as const;
const UP: readonly Step[] = [rest("startAgent"), rest("replug", { at: 1, word: "" }), rest("advance", { ms: 3_500 })];
const SLOT_SHAPE: WorldShape = {
  ...PLAIN,
  ...VIRTUAL,
  linkEnable: link.enable,
  linkMs: 300,
  streams: 1,
  resetsOnOpen: true,
  spec: specOf(plainIntent({ link })),
};

/** Both functions are DRA's, and a pod has asked for the virtual one. */
const ALL_DRA = resourcesWith("Keep").map((rule) => ({ ...rule, ledger: "DRA" as const }));
const CLAIM_SHAPE: WorldShape = { ...SLOT_SHAPE, dra: PLAIN_DRA_WORLD, spec: specOf(plainIntent({ link, resources: ALL_DRA })) };
const ASKED: readonly Step[] = [...UP, rest("createClaimPod", { word: "template", at: 1 })];

/** Calmed histories are one shorter. */
export const THEATRES: readonly Theatre[] = [
  { name: "one unit with two devices", shape: PLAIN, before: [], alphabet: UNIT, depth: 4 },
  { name: "one slot with a virtual function and one stream", shape: SLOT_SHAPE, before: UP, alphabet: SLOT, depth: 4 },
  {
    name: "the same slot, whose virtual function is allocated to a claim",
    shape: CLAIM_SHAPE,
    before: [...ASKED, rest("advance", { ms: 300 })],
    alphabet: ALLOCATED,
    depth: 3,
  },
  {
    name: "the same slot, whose virtual function a pod has by a claim",
    shape: CLAIM_SHAPE,
    before: [...ASKED, rest("advance", { ms: 6_000 })],
    alphabet: PREPARED,
    depth: 3,
  },
];

/** Long enough for a settling time, a backoff and a look. */
const LATER: Step = rest("advance", { ms: 12_000 });

export interface Census {
  histories: number;
  /** Different states of the node at the end of a history, in what the models can tell apart. */
  readonly states: Set<string>;
  readonly broken: { readonly steps: readonly Step[]; readonly violations: readonly string[] }[];
}

export interface Exhaustion extends Omit<Theatre, "name"> {
  /** Each history ends with a world that calms down (calm.ts), not just with some time: thorough, and ten times as long. */
  readonly isCalmed: boolean;
}

/** Words of exactly `depth` letters, without those in which a letter is impossible. */
export async function exhaust(what: Exhaustion): Promise<Census> {
  const census: Census = { histories: 0, states: new Set(), broken: [] };
  const run = await played(what, []);
  const possible = what.alphabet.filter((step) => run.isPossible(step));
  run.abandon();
  await extend([], possible, { what, census });
  return census;
}

async function played({ shape, before }: Exhaustion, prefix: readonly Step[]): Promise<Run> {
  const run = new Run(shape, null);
  for (const one of [...before, ...prefix]) await run.take(one);
  return run;
}

interface Search {
  readonly what: Exhaustion;
  readonly census: Census;
}

/** `possible`: letters that may come after `prefix`. */
async function extend(prefix: readonly Step[], possible: readonly Step[], { what, census }: Search): Promise<void> {
  for (const step of possible) {
    const steps = [...prefix, step];
    const run = await played(what, steps);
    census.states.add(portrait(run.world));
    if (steps.length < what.depth && !run.isBroken) {
      const next = what.alphabet.filter((one) => run.isPossible(one));
      run.abandon();
      await extend(steps, next, { what, census });
      continue;
    }
    if (what.isCalmed) await run.end();
    else await run.take(LATER);
    run.abandon();
    census.histories += 1;
    if (run.isBroken) census.broken.push({ steps, violations: run.violations });
  }
}

/** The node as the models have it, without times. */
function portrait({ module, host, kubelet, api, dra, process, turnstile }: World): string {
  const units = module.units.map((unit) => [unit.state, unit.phase, unit.id === null, unit.isPresent.value, unit.trust.value === null]);
  const functions = host.functions.map((fn) => [fn.link.value, fn.opens.value]);
  const pods = api.pods.map((pod) => [pod.stage, pod.isRunning, pod.isTerminating, pod.ids]);
  const lists = [...kubelet.endpoints].map(([resource, { server }]) => [resource, server !== null, kubelet.healthy(resource)]);
  const waits = process === null ? null : turnstile.points(process.number);
  const ledger = dra === null ? [] : ledgerOf(dra);
  return JSON.stringify([units, functions, pods, lists, ledger, kubelet.isRunning, api.spec.intent?.state, waits]);
}

function ledgerOf({ api, folder }: DraWorld): readonly unknown[] {
  const slices = [...api.pools.state.items.values()].flatMap(({ value }) =>
    value.pool.devices.map(({ address, taints }) => [address, taints.length]),
  );
  const claims = [...api.claims.state.items.values()].map(({ value }) => [
    value.allocation !== null,
    value.reservedFor.length,
    value.conditions.length,
  ]);
  const pods = api.pods.map(({ stage, node, isInApi, isTerminating }) => [stage, node, isInApi, isTerminating]);
  return [slices, claims, pods, [...folder.files.values()].length, folder.inPlace.length];
}
