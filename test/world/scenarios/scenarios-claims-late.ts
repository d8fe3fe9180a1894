// SPDX-License-Identifier: Apache-2.0

/** What kubelet, an agent that was away, and a VM that lives on do to claims late. */
import { PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { all, claimPod, DRA, FIRST, files, LINKED, links, pod, ready, refused, SECOND, slices } from "./claim-scenario.ts";
import { advance, intent, type Scenario, start, step, TWO_GPUS, UP } from "./scenario.ts";

const NO_PRE_START = "no devices found allocated in local cache";

/** From the device plugin, whose pods are over, to DRA; and a pod that asks for the resource by its name. */
const goneOver = [
  ...UP,
  step("createPod", { word: "teeio.dev/gpu", at: 1 }),
  step("admitPod", { word: "pod-0" }),
  step("terminatePod", { word: "pod-0" }),
  step("finishPod", { word: "pod-0" }),
];
const askByName = [intent("trusted"), advance(30_000), claimPod("extended"), advance(30_000)];

export const LATE_CLAIMS: readonly Scenario[] = [
  {
    name: "a name has gone over to DRA, and kubelet remembers it from the device plugin: a pod that asks by it runs",
    shape: { dra: PLAIN_DRA_WORLD },
    steps: [...goneOver, ...askByName],
    check: all(pod(0, "Running"), ({ kubelet }) => (kubelet.failsByPreStart("teeio.dev/gpu") ? [NO_PRE_START] : [])),
  },
  {
    name: "an agent that did not see the name with the device plugin knows from its proofs that kubelet may remember it",
    shape: { dra: PLAIN_DRA_WORLD },
    steps: [...goneOver, advance(1_000), step("crashAgent"), intent("trusted"), start, ...askByName.slice(1)],
    check: all(pod(0, "Running"), ({ kubelet }) => (kubelet.failsByPreStart("teeio.dev/gpu") ? [NO_PRE_START] : [])),
  },
  {
    name: "kubelet has been restarted since: nothing is registered under the name any more",
    shape: { dra: PLAIN_DRA_WORLD },
    steps: [...goneOver, ...askByName, step("killKubelet"), step("startKubelet"), advance(30_000)],
    check: all(pod(0, "Running"), ({ kubelet }) =>
      kubelet.endpoints.get("teeio.dev/gpu")?.server == null ? [] : ["kubelet has a device plugin for the name"],
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
    name: "the device of a pod leaves the bus while no agent runs: it stays in its slice, and the next agent does not take it out and put it back",
    shape: { ...TWO_GPUS, ...DRA, dra: { ...PLAIN_DRA_WORLD, api: { ...PLAIN_DRA_WORLD.api, slicesLagMs: 300 } } },
    steps: [...ready, claimPod("template"), advance(2_000), step("crashAgent"), step("unplug", { at: 0 }), start, advance(20_000)],
    check: slices(`${FIRST} teeio.dev/withheld=DeviceMissing`, SECOND),
  },
  {
    name: "another function manages the security of a slot, which shows only while it is connected: it is not connected again and again",
    shape: { ...LINKED, devices: (TWO_GPUS.devices ?? []).slice(0, 1) },
    steps: [...ready, step("moveDsm", { at: 0 }), claimPod("template"), advance(200_000)],
    check: all(pod(0, "Pending", null), links("Off"), ({ api }) =>
      api.status?.devices[0]?.reason === "LinkFailed" ? [] : [`its link should have failed, it is ${api.status?.devices[0]?.reason}`],
    ),
  },
  {
    name: "a name goes over to DRA while podresources cannot be read: no slice lists a device that kubelet may list still",
    shape: { ...DRA, listDelayMs: 900 },
    steps: [
      start,
      intent("ledger"),
      advance(7_000),
      step("podresourcesDown"),
      intent("trusted"),
      advance(10_000),
      step("podresourcesDown"),
      advance(20_000),
    ],
    check: slices(FIRST),
  },
];
