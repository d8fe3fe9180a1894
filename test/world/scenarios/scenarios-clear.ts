// SPDX-License-Identifier: Apache-2.0

/** What CLEAR waits for, and what it looks at again. */
import { GPU } from "../models/shape.ts";
import { advance, BLIND, firstUnit, intent, POD, type Scenario, start, step, TWO_GPUS, TWO_UNITS, UP } from "./scenario.ts";

/** The pod's container has let its device go, and is on its way out. */
const ENDING = [step("stopContainer", { word: "pod-0" }), step("terminatePod", { word: "pod-0" }, 0)];

export const CLEARS: readonly Scenario[] = [
  {
    name: "what another plugin's pod has may be below any unit when its own cannot be read, wherever it was last seen",
    needs: ["movedFunctions"],
    shape: TWO_UNITS,
    steps: [
      ...UP,
      step("hideUnitOfFunction", { at: 0 }),
      step("unplug", { at: 0 }),
      step("replug", { at: 0, word: "moved" }),
      step("otherPluginTakes", { at: 0, word: "address" }),
      advance(5_000),
      intent("cleared"),
      advance(20_000),
    ],
    check: firstUnit("ClearBlocked"),
  },
  // Taken and unbound between two looks: no agent has ever seen what the number meant.
  {
    name: "a group number of another plugin's pod says nothing of a function that has left vfio, and CLEAR fails for a reason of its own",
    shape: TWO_UNITS,
    steps: [
      ...[...UP, step("scriptFault", { at: 0, word: "rejectedPages clear", ms: 20 })],
      ...[step("otherPluginTakes", { at: 0, word: "group" }), step("bindNative", { at: 0 }), advance(10_000), intent("cleared"), advance(20_000)],
    ],
    check: firstUnit("ClearFailed"),
  },
  { name: "CLEAR waits for a pod", steps: [...UP, ...POD, intent("cleared"), advance(20_000)] },
  {
    name: "CLEAR waits for a terminating pod that only the API shows",
    steps: [...UP, ...POD, step("stopContainer", { word: "pod-0" }), step("terminatePod", { word: "pod-0" }), intent("cleared"), advance(20_000)],
  },
  {
    name: "CLEAR waits for a terminating pod whose resource has been renamed, after a restart",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("terminatePod", { word: "pod-0" }),
      intent("renamed-cleared"),
      step("crashAgent"),
      start,
      advance(20_000),
    ],
  },
  {
    name: "nothing is given away below a unit whose CLEAR was asked for and has not begun",
    steps: [
      ...UP,
      step("stall", { word: "seamcall.clear" }),
      intent("cleared"),
      advance(3_600),
      intent("trusted"),
      advance(500),
      ...POD,
      step("stall", { word: "" }),
      advance(1_000),
    ],
  },
  {
    name: "CLEAR waits for a pod that kubelet has forgotten and that still runs, and there is no API server",
    shape: { isStandalone: true },
    steps: [...UP, ...POD, advance(3_000), ...ENDING, intent("cleared"), advance(20_000)],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits for a pod that kubelet had forgotten before the agent started, and there is no API server",
    shape: { isStandalone: true },
    steps: [...UP, ...POD, advance(3_000), ...ENDING, advance(3_000), step("crashAgent"), start, intent("cleared"), advance(20_000)],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits for a pod that kubelet forgot when it gave another one something, and there is no API server",
    shape: { isStandalone: true, ...TWO_GPUS },
    steps: [
      ...UP,
      ...POD,
      advance(3_000),
      step("createPod", { word: GPU, at: 1 }),
      ...ENDING,
      step("admitPod", { word: "pod-1" }),
      intent("cleared"),
      advance(3_000),
      step("completePod", { word: "pod-1" }),
      advance(20_000),
    ],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR comes after a pod that was terminating when kubelet was last sent a list, and there is no API server",
    shape: { isStandalone: true },
    steps: [
      ...UP,
      ...POD,
      intent("cleared"),
      advance(20_000),
      step("terminatePod", { word: "pod-0" }),
      advance(20_000),
      step("finishPod", { word: "pod-0" }),
      advance(40_000),
    ],
    check: firstUnit("Cleared"),
  },
  {
    name: "CLEAR waits for a terminating pod whose resource has been renamed, after a restart without proofs",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("terminatePod", { word: "pod-0" }),
      intent("renamed-cleared"),
      step("crashAgent"),
      step("loseProofs"),
      start,
      advance(20_000),
    ],
  },
  {
    name: "CLEAR waits for a pod whose resource has been renamed, after a restart, while kubelet cannot reach its API server and shows no pod",
    steps: [...UP, ...POD, step("stopContainer", { word: "pod-0" }), ...BLIND, intent("renamed-cleared"), step("crashAgent"), start, advance(60_000)],
  },
  {
    name: "CLEAR comes after the last pod has ended, although kubelet's checkpoint still has it and there is no API server",
    shape: { isStandalone: true },
    steps: [...UP, ...POD, intent("cleared"), advance(20_000), step("completePod", { word: "pod-0" }), advance(40_000)],
    check: firstUnit("Cleared"),
  },
  {
    name: "CLEAR waits for a terminating pod whose resource has been renamed, after a restart without proofs",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("terminatePod", { word: "pod-0" }),
      intent("renamed-cleared"),
      step("crashAgent"),
      step("loseProofs"),
      start,
      advance(20_000),
    ],
  },
  {
    name: "CLEAR waits the settling time after a pod has ended",
    steps: [...UP, ...POD, intent("cleared"), advance(20_000), step("completePod", { word: "pod-0" }), advance(2_900)],
    check: firstUnit("ClearSettling"),
  },
  {
    name: "CLEAR waits the settling time after the agent's start",
    steps: [...UP, intent("cleared", 0), step("crashAgent"), advance(10_000), start, advance(2_900)],
    check: firstUnit("ClearSettling"),
  },
  {
    name: "CLEAR does not believe a kubelet that has just started",
    steps: [...UP, ...POD, intent("cleared"), advance(10_000), step("killKubelet", {}, 0), step("startKubelet"), advance(900)],
  },
  {
    name: "CLEAR settles anew after kubelet was replaced between two looks",
    steps: [...UP, intent("cleared"), advance(2_500), step("killKubelet", {}, 0), step("startKubelet"), advance(1_000)],
  },
  {
    name: "CLEAR waits until kubelet has taken the empty list",
    shape: { listDelayMs: 5_000 },
    steps: [start, advance(12_000), intent("cleared"), advance(4_500)],
    check: firstUnit("ClearPending"),
  },
  {
    name: "CLEAR waits while a call of kubelet is answered",
    shape: { isStandalone: true },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("stall", { word: "host.observeFunction" }),
      step("admitPod", { word: "pod-0" }),
      intent("cleared"),
      advance(2_000),
    ],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits after an answer that kubelet does not show yet",
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }, "kubelet.allocate.answer"),
      step("stall", { word: "kubelet.allocate.answer" }),
      intent("cleared"),
      advance(2_900),
    ],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits after an answer without any settling time, too",
    shape: { settleMs: 0, isStandalone: true },
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      advance(1_100),
      step("terminatePod", { word: "pod-0" }),
      step("finishPod", { word: "pod-0" }),
      intent("cleared"),
      advance(700),
    ],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR looks again when its turn comes",
    shape: { ...TWO_UNITS, latencyMs: 700 },
    steps: [...UP, intent("cleared"), advance(3_100), step("openFromOutside", { at: 1 }), advance(3_000)],
  },
  {
    name: "no Allocate is answered while its unit is being cleared",
    shape: { latencyMs: 700, observeEveryMs: 60_000 },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("stall", { word: "host.observeFunction" }),
      step("admitPod", { word: "pod-0" }),
      intent("cleared"),
      advance(5_700),
      intent("trusted"),
      step("stall", { word: "" }),
    ],
  },
];
