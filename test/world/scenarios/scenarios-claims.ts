// SPDX-License-Identifier: Apache-2.0

/** Claims from their allocation to their end: links secured before a pod is bound, devices that fail, and what kubelet and the runtime do late. */
import type { World } from "../life/world.ts";
import type { ClaimPodStage } from "../models/claim-pod.ts";
import { type DraWorldShape, PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { plainIntent, resourcesWith, specOf, type WorldShape } from "../models/shape.ts";
import { advance, intent, type Scenario, start, step, TWO_GPUS, UP } from "./scenario.ts";

const RESOURCES = resourcesWith("Keep").map((rule, at) => (at === 0 ? { ...rule, ledger: "DRA" as const } : rule));
const DRA: Partial<WorldShape> = { dra: PLAIN_DRA_WORLD, spec: specOf(plainIntent({ resources: RESOURCES })) };
const LINKED: Partial<WorldShape> = {
  ...TWO_GPUS,
  dra: PLAIN_DRA_WORLD,
  linkEnable: "OnPrepare",
  spec: specOf(plainIntent({ resources: RESOURCES, link: { enable: "OnPrepare" } })),
};
const ELSEWHERE: DraWorldShape = { ...PLAIN_DRA_WORLD, scheduler: { ...PLAIN_DRA_WORLD.scheduler, hasElsewhere: true } };
/** Who writes slices waits, and who reads them is behind. */
const LATE: DraWorldShape = {
  ...PLAIN_DRA_WORLD,
  api: { ...PLAIN_DRA_WORLD.api, latencyMs: 50 },
  scheduler: { ...PLAIN_DRA_WORLD.scheduler, lagMs: 400 },
};
const REJECTED = "EKEYREJECTED";

const claimPod = (word: string, at = 1) => step("createClaimPod", { word, at });
const ready = [...UP, advance(1_000)];

type Check = (world: World) => readonly string[];

const all =
  (...checks: readonly Check[]): Check =>
  (world) =>
    checks.flatMap((check) => check(world));
const pod =
  (at: number, stage: ClaimPodStage, node: string | null = "node-1"): Check =>
  ({ dra }) => {
    const shown = dra?.api.pods[at];
    return shown?.stage === stage && shown.node === node ? [] : [`pod ${at} should be ${stage} on ${node}, it is ${shown?.stage} on ${shown?.node}`];
  };
const refused =
  (at: number, ...words: readonly string[]): Check =>
  ({ dra }) => {
    const refusals = dra?.api.pods[at]?.refusals ?? [];
    const isRight = refusals.length === words.length && words.every((word, index) => refusals[index]?.includes(word) === true);
    return isRight ? [] : [`pod ${at} should be refused with "${words.join('", "')}", it was with "${refusals.join('", "')}"`];
  };
const links =
  (...truths: readonly string[]): Check =>
  ({ host }) => {
    const shown = host.functions.map(({ link }) => link.value);
    return JSON.stringify(shown) === JSON.stringify(truths) ? [] : [`links should be ${truths.join(" ")}, they are ${shown.join(" ")}`];
  };
const files =
  (count: number, inPlace: number): Check =>
  ({ dra }) => {
    const shown = [dra?.folder.files.size, dra?.folder.inPlace.length];
    return shown[0] === count && shown[1] === inPlace
      ? []
      : [`there should be ${count} claim files, ${inPlace} not void, there are ${shown.join(", ")}`];
  };
/** Devices of the slices in order, each with its taint. */
const slices =
  (...listed: readonly string[]): Check =>
  ({ dra }) => {
    const devices = [...(dra?.api.pools.state.items.values() ?? [])].flatMap(({ value }) => value.pool.devices);
    const shown = devices.map(({ address, taints }) => [address, ...taints.map(({ key, value }) => `${key}=${value}`)].join(" "));
    return JSON.stringify(shown) === JSON.stringify(listed) ? [] : [`slices should list ${listed.join(", ")}, they list ${shown.join(", ")}`];
  };

const [FIRST, SECOND] = ["0000:17:00.0", "0000:17:01.0"] as const;

export const CLAIMS: readonly Scenario[] = [
  {
    name: "a device that fails authentication is tried once: the scheduler sees the taint before the failure, and takes another one",
    shape: { ...LINKED, dra: LATE },
    steps: [...ready, step("linkFault", { at: 0, word: REJECTED }), claimPod("template"), advance(30_000)],
    check: all(pod(0, "Running"), refused(0, "binding conditions failed"), links("Off", "Tsm")),
  },
  {
    name: "a scheduler that sees the failure before the taint is told again at once, and the device is not tried again",
    shape: { ...LINKED, dra: { ...LATE, scheduler: { ...LATE.scheduler, lagMs: 3_000 } } },
    steps: [...ready, step("linkFault", { at: 0, word: REJECTED }), claimPod("template"), advance(60_000)],
    check: all(pod(0, "Running"), links("Off", "Tsm")),
  },
  {
    name: "of a claim for two devices one fails: both are free again, both links are released, and the pod runs elsewhere",
    shape: { ...LINKED, dra: ELSEWHERE },
    steps: [...ready, step("linkFault", { at: 1, word: REJECTED }), claimPod("template", 2), advance(60_000)],
    check: all(pod(0, "Pending", "node-2"), refused(0, "binding conditions failed"), links("Off", "Off"), files(0, 0)),
  },
  {
    name: "a claim for two devices where one stream is left fits nowhere, and no link is tried",
    shape: { ...LINKED, streams: 1 },
    steps: [...ready, claimPod("template", 2), advance(60_000)],
    check: all(pod(0, "Pending", null), links("Off", "Off"), slices(FIRST, SECOND)),
  },
  {
    name: "trust is lost after a claim was told that its link is secured: it is not prepared, and an older container starts no more",
    shape: LINKED,
    steps: [
      ...ready,
      claimPod("named"),
      advance(10_000),
      claimPod("template"),
      advance(1_000),
      intent("cleared"),
      advance(60_000),
      step("restartClaimContainer", { word: "claim-pod-0" }),
      advance(1_000),
    ],
    check: all(
      pod(0, "Prepared"),
      refused(0, "unresolvable CDI devices"),
      refused(1, "the intent is not Trusted"),
      files(1, 0),
      slices(`${FIRST} teeio.dev/withheld=IntentCleared`, `${SECOND} teeio.dev/withheld=IntentCleared`),
    ),
  },
  {
    name: "a name goes over to DRA under a pod, and agent and kubelet start anew: the pod keeps its device, and no ledger has it beside the other",
    shape: { dra: PLAIN_DRA_WORLD },
    steps: [
      ...UP,
      step("createPod", { word: "teeio.dev/gpu", at: 1 }),
      step("admitPod", { word: "pod-0" }),
      advance(1_000),
      intent("trusted"),
      advance(2_000),
      step("crashAgent"),
      start,
      advance(5_000),
      step("killKubelet"),
      step("startKubelet"),
      advance(240_000),
    ],
    check: ({ api, dra, host }) => [
      ...(api.pods[0]?.stage === "Held" && host.functions[0]?.opens.value === 1 ? [] : ["the pod should have its device still"]),
      ...(dra?.api.pools.state.items.size === 0 ? [] : ["no slice should list anything"]),
    ],
  },
  {
    name: "kubelet deletes the slices of its node minutes after its start: they are back at once, and who was allocated a device is still counted",
    shape: { ...LINKED, streams: 2 },
    steps: [
      ...ready,
      claimPod("template"),
      advance(10_000),
      step("apiDown"),
      step("killKubelet"),
      step("startKubelet"),
      advance(200_000),
      step("apiDown"),
      advance(120_000),
    ],
    check: ({ dra, time }) => {
      const streams = [...(dra?.api.pools.state.items.values() ?? [])].flatMap(({ value }) => value.pool.devices.map((one) => one.streams));
      const wiped = dra?.kubelet.wipedMs.at(-1) ?? 0;
      return [
        ...(JSON.stringify(streams) === "[1,1]" ? [] : [`each device should take a stream, they take ${streams.join()}`]),
        ...(time.nowMs - wiped < 120_000 ? [] : [`kubelet should have wiped late, it did at ${wiped} ms`]),
      ];
    },
  },
  {
    name: "a claim with parameters is refused by name, and taints nothing",
    shape: { ...DRA, ...TWO_GPUS },
    steps: [...ready, claimPod("parameters"), advance(5_000)],
    check: all(pod(0, "Pending"), refused(0, "teeio.dev takes no parameters"), slices(FIRST, SECOND), files(0, 0)),
  },
  {
    name: "a pod is deleted by force while its VM lives: whoever is allocated its device next waits for the VM, whose link stays",
    shape: { ...LINKED, devices: (TWO_GPUS.devices ?? []).slice(0, 1) },
    steps: [...ready, claimPod("extended"), advance(10_000), claimPod("extended"), step("abandonClaimVm", { word: "claim-pod-0" }), advance(60_000)],
    check: all(pod(0, "Over"), pod(1, "Pending", null), links("Tsm"), files(0, 0)),
  },
  {
    name: "a pod is deleted by force while its VM lives: nobody is given its device before the VM ends",
    shape: DRA,
    steps: [...ready, claimPod("extended"), advance(2_000), claimPod("extended"), step("abandonClaimVm", { word: "claim-pod-0" }), advance(60_000)],
    check: all(pod(1, "Pending"), refused(1, "HeldByOrphan: pid"), files(0, 0)),
  },
  {
    name: "the VM of a pod that was deleted by force ends: the next pod gets the device",
    shape: { ...LINKED, devices: (TWO_GPUS.devices ?? []).slice(0, 1) },
    steps: [
      ...ready,
      claimPod("extended"),
      advance(10_000),
      claimPod("extended"),
      step("abandonClaimVm", { word: "claim-pod-0" }),
      advance(20_000),
      step("endClaimVm", { word: "claim-pod-0" }),
      advance(80_000),
    ],
    check: all(pod(1, "Running"), links("Tsm"), files(1, 1)),
  },
  {
    name: "a claim that kubelet has not unprepared keeps its device from the next one",
    shape: DRA,
    steps: [
      ...ready,
      claimPod("named"),
      advance(2_000),
      step("crashAgent"),
      step("terminateClaimPod", { word: "claim-pod-0" }),
      step("finishClaimPod", { word: "claim-pod-0" }),
      start,
      advance(4_000),
      claimPod("extended"),
      advance(50_000),
    ],
    check: all(pod(1, "Pending"), refused(1, "DeviceBusy: the claim with UID claim-uid-1 has it")),
  },
  {
    name: "the agent is away for 40 s while a pod with a claim ends: slices are back, and the claim is unprepared",
    shape: DRA,
    steps: [
      ...ready,
      claimPod("template"),
      advance(2_000),
      step("crashAgent"),
      step("terminateClaimPod", { word: "claim-pod-0" }),
      step("finishClaimPod", { word: "claim-pod-0" }),
      advance(40_000),
      start,
      advance(80_000),
    ],
    check: all(pod(0, "Over"), files(0, 0), slices(FIRST)),
  },
  {
    name: "a second pod shares a claim whose link was reset since the claim was told that it is secured",
    shape: LINKED,
    steps: [...ready, claimPod("named"), advance(10_000), step("resetLink", { at: 0 }), advance(500), claimPod("shared"), advance(30_000)],
    check: all(pod(0, "Running"), pod(1, "Running"), refused(1)),
  },
];
