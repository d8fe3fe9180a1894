// SPDX-License-Identifier: Apache-2.0

/** What a container runtime makes of the CDI specs in place, and of the device nodes that kubelet keeps from an answer. */
import { specsInPlace } from "../checks/spec-rules.ts";
import { GPU } from "../models/shape.ts";
import { advance, firstUnit, intent, POD, type Scenario, start, step, TWO_GPUS, TWO_UNITS, UP } from "./scenario.ts";

const REAL = { isSimulated: false, realSetup: true };
const REFUSE_SETUP = step("scriptFault", { at: 0, word: "unheardOf setup", ms: 20 });

export const SPECS: readonly Scenario[] = [
  {
    name: "a device that has another node by now than its CDI spec gives is not given away",
    shape: { ...TWO_GPUS, isSimulated: false, realSetup: true },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("stall", { word: "cdi.sync" }),
      step("renumberVfio", { at: 0 }, 0),
      step("admitPod", { word: "pod-0" }),
      step("stall", { word: "" }),
    ],
  },
  {
    name: "the spec of a held device goes when its unit loses trust",
    needs: ["specContents"],
    steps: [...UP, ...POD, REFUSE_SETUP, step("loseUnit", { at: 0 }), step("findUnit", { at: 0 }), advance(30_000)],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is still in place`),
  },
  {
    name: "an agent that starts in a later boot without any SETUP leaves no spec of a held device",
    needs: ["specContents"],
    steps: [...UP, ...POD, step("reboot"), REFUSE_SETUP, step("startKubelet"), start, advance(30_000)],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is still in place`),
  },
  {
    name: "a spec goes although the host is slow to read",
    needs: ["specContents"],
    steps: [...UP, step("stall", { word: "host.observe" }), intent("cleared"), advance(1)],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is still in place`),
  },
  {
    name: "a sandbox that is made anew after a loss of trust gets nothing",
    needs: ["sandboxes", "specContents"],
    steps: [
      ...UP,
      ...POD,
      REFUSE_SETUP,
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      advance(3_000),
      step("recreateSandbox", { word: "pod-0" }),
    ],
  },
  {
    name: "a sandbox that is made anew while nothing has changed gets its device",
    needs: ["sandboxes"],
    steps: [...UP, ...POD, advance(5_000), step("recreateSandbox", { word: "pod-0" })],
    check: ({ api }) => (api.pods[0]?.isRunning ? [] : ["the pod's VM does not run"]),
  },
  {
    name: "a container does not start again with a node that is another device's now",
    needs: ["renumbers"],
    shape: { ...TWO_GPUS, ...REAL },
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("renumberVfio", { at: 0 }),
      advance(5_000),
      step("startContainer", { word: "pod-0" }),
      advance(1_000),
    ],
    check: ({ api }) => (api.pods[0]?.isRunning ? ["the container has started"] : []),
  },
  {
    name: "a device is not given out with a CDI name that says another's node",
    needs: ["renumbers", "specContents"],
    shape: { ...TWO_GPUS, ...REAL },
    steps: [
      ...UP,
      step("cdiReadOnly"),
      step("renumberVfio", { at: 0 }),
      advance(5_000),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }),
    ],
  },
  {
    name: "no device is offered while a proof cannot be written",
    steps: [step("unplug", { at: 1 }), ...UP, step("proofsReadOnly"), step("replug", { at: 1, word: "" }), advance(5_000)],
    check: ({ kubelet }) => kubelet.healthy(GPU).map((id) => `${id} is offered`),
  },
  {
    name: "CLEAR waits for a CDI spec that cannot be removed",
    steps: [...UP, step("cdiReadOnly"), intent("cleared"), advance(20_000)],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits for a CDI spec that cannot be removed, of a device that the kernel shows below no unit any more",
    needs: ["unitLinks"],
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [] },
    steps: [...UP, step("cdiReadOnly"), step("loseUnitLink", { at: 0 }), intent("cleared"), advance(20_000)],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits for a CDI spec of an earlier boot that cannot be removed, of a device that this boot has shown below no unit",
    needs: ["unitLinks"],
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [] },
    steps: [...UP, step("cdiReadOnly"), step("reboot"), step("loseUnitLink", { at: 0 }), start, advance(3_500), intent("cleared"), advance(20_000)],
    check: firstUnit("ClearBlocked"),
  },
  // The API server does not say for ten seconds what is wanted.
  {
    name: "a spec that was taken over goes when its device has another node, although nobody knows yet what is wanted",
    needs: ["renumbers"],
    shape: { ...TWO_GPUS, ...REAL, intentDelayMs: 10_000 },
    steps: [start, advance(15_000), step("crashAgent"), start, advance(1_000), step("renumberVfio", { at: 0 }), advance(7_000)],
    check: (world) => specsInPlace(world).flatMap(({ id, wrong }) => wrong.map(({ why }) => `${id}: ${why}`)),
  },
  {
    name: "a spec that was taken over goes when its device does, although nobody knows yet what is wanted",
    shape: { ...TWO_GPUS, ...REAL, intentDelayMs: 10_000 },
    steps: [start, advance(15_000), step("crashAgent"), start, advance(1_000), step("unplug", { at: 0 }), advance(7_000)],
    check: ({ specs }) => (specs.names.has(`${GPU}=0000:17:00.0`) ? ["the spec of an absent device is in place"] : []),
  },
  {
    name: "a spec is not taken over for a device whose link cannot be read, whatever else is slow",
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [], ...REAL },
    steps: [
      start,
      advance(15_000),
      step("crashAgent"),
      step("blockTsm", { at: 0 }),
      step("stall", { word: "podresources.observe" }),
      start,
      advance(1_000),
    ],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is in place`),
  },
  {
    name: "a spec is not taken over under another name than its device is wanted under now, while the first look at the host is slow",
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [], ...REAL },
    steps: [start, advance(15_000), step("crashAgent"), intent("swapped"), step("stall", { word: "host.observe" }), start, advance(1_000)],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is in place`),
  },
  {
    name: "a spec that was taken over goes when its device does, while the first look at podresources is slow",
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [], ...REAL },
    steps: [
      start,
      advance(15_000),
      step("crashAgent"),
      step("stall", { word: "podresources.observe" }),
      start,
      advance(1_000),
      step("unplug", { at: 0 }),
      advance(1_000),
    ],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is in place`),
  },
  {
    name: "a spec that was taken over goes when its unit is lost, while the first look at the host is slow",
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [], ...REAL },
    steps: [
      start,
      advance(15_000),
      step("crashAgent"),
      step("stall", { word: "host.observe" }),
      start,
      advance(1_000),
      step("loseUnit", { at: 0 }),
      advance(1_000),
    ],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is in place`),
  },
  {
    name: "a spec is not taken over for a device that is below another unit by now",
    needs: ["movedFunctions"],
    shape: { ...TWO_UNITS, ...REAL, intentDelayMs: 10_000 },
    steps: [
      start,
      advance(15_000),
      step("crashAgent"),
      step("scriptFault", { at: 1, word: "unheardOf setup", ms: 20 }),
      step("loseUnit", { at: 1 }),
      step("findUnit", { at: 1 }),
      step("unplug", { at: 0 }),
      step("replug", { at: 0, word: "moved" }),
      start,
      advance(7_000),
    ],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is in place`),
  },
  {
    name: "a spec that is written as the gate closes goes at once, whatever else is slow",
    shape: { devices: TWO_GPUS.devices?.slice(0, 1) ?? [] },
    steps: [
      ...UP,
      step("unplug", { at: 0 }),
      advance(2_000),
      step("stall", { word: "cdi.sync" }),
      step("replug", { at: 0, word: "" }),
      intent("cleared"),
      step("stall", { word: "seamcall.list" }),
      advance(5_000),
    ],
    check: ({ specs }) => [...specs.names].map((name) => `${name} is still in place`),
  },
];
