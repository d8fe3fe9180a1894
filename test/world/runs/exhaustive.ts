// SPDX-License-Identifier: Apache-2.0

/**
 * Every history up to a depth, for one unit with two devices, and for one slot with a physical and a virtual function and one IDE stream: no dice, no
 * luck. A history is a word over a small alphabet; each is run from the beginning, and checked like any other.
 */
import type { World } from "../life/world.ts";
import { GPU, PLAIN, plainIntent, specOf, type WorldShape } from "../models/shape.ts";
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

const link = { enable: "OnPrepare" } as const;
const UP: readonly Step[] = [rest("startAgent"), rest("replug", { at: 1, word: "" }), rest("advance", { ms: 3_500 })];

export const THEATRES: readonly Theatre[] = [
  { name: "one unit with two devices", shape: PLAIN, before: [], alphabet: UNIT },
  {
    name: "one slot with a virtual function and one stream",
    shape: { ...PLAIN, ...VIRTUAL, linkEnable: link.enable, linkMs: 300, streams: 1, resetsOnOpen: true, spec: specOf(plainIntent({ link })) },
    before: UP,
    alphabet: SLOT,
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

export interface Exhaustion extends Pick<Theatre, "shape" | "before" | "alphabet"> {
  readonly depth: number;
  /** Each history ends with a world that calms down (calm.ts), not just with some time: thorough, and ten times as long. */
  readonly isCalmed: boolean;
}

/** Words of exactly `depth` letters, without those in which a letter is impossible. */
export async function exhaust(what: Exhaustion): Promise<Census> {
  const census: Census = { histories: 0, states: new Set(), broken: [] };
  await extend([], what, census);
  return census;
}

async function extend(prefix: readonly Step[], what: Exhaustion, census: Census): Promise<void> {
  for (const step of what.alphabet) {
    const steps = [...prefix, step];
    const run = new Run(what.shape, null);
    for (const one of [...what.before, ...prefix]) await run.take(one);
    if (!run.isPossible(step)) {
      run.abandon();
      continue;
    }
    await run.take(step);
    census.states.add(portrait(run.world));
    if (steps.length < what.depth && !run.isBroken) {
      run.abandon();
      await extend(steps, what, census);
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
function portrait({ module, host, kubelet, api, process, turnstile }: World): string {
  const units = module.units.map((unit) => [unit.state, unit.phase, unit.id === null, unit.isPresent.value, unit.trust.value === null]);
  const functions = host.functions.map((fn) => [fn.link.value, fn.opens.value]);
  const pods = api.pods.map((pod) => [pod.stage, pod.isRunning, pod.isTerminating, pod.ids]);
  const lists = [...kubelet.endpoints].map(([resource, { server }]) => [resource, server !== null, kubelet.healthy(resource)]);
  const waits = process === null ? null : turnstile.points(process.number);
  return JSON.stringify([units, functions, pods, lists, kubelet.isRunning, api.spec.intent?.state, waits]);
}
