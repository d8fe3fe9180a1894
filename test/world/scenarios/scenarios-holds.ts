// SPDX-License-Identifier: Apache-2.0

/** Devices in hands over a restart, a rename, a reboot, a loss of trust. */
import { GPU, NIC, PLAIN, RENAMED } from "../models/shape.ts";
import { advance, BLIND, intent, POD, type Scenario, start, step, UP } from "./scenario.ts";

/** Kubelet has the answer, and podresources shows its pod a second later. */
const STARTS_LATE: Pick<Scenario, "steps" | "check"> = {
  steps: [
    ...UP,
    step("createPod", { word: GPU, at: 1 }),
    step("admitPod", { word: "pod-0" }, "kubelet.allocate.answer"),
    step("stall", { word: "kubelet.allocate.answer" }),
    advance(1_000),
    step("stall", { word: "" }),
    advance(1_000),
  ],
  check: ({ api }) => (api.pods[0]?.isRunning ? [] : ["the container does not start"]),
};

/** Each of them shows no pod for a second. */
const YOUNG_KUBELETS = [
  ...UP,
  ...POD,
  step("stopContainer", { word: "pod-0" }),
  intent("renamed"),
  advance(3_000),
  ...[900, 900, 600].flatMap((ms) => [step("killKubelet", {}, 0), step("startKubelet"), advance(ms)]),
  step("unplug", { at: 1 }),
  advance(50),
  step("createPod", { word: RENAMED, at: 1 }),
  step("admitPod", { word: "pod-1" }),
];

export const HOLDS: readonly Scenario[] = [
  {
    name: "a hold does not end while its holders cannot be read, although no other view shows it",
    steps: [
      ...UP,
      ...POD,
      advance(1_000),
      step("hideHolders", { at: 0 }),
      step("forceDeletePod", { word: "pod-0" }),
      advance(10_000),
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      advance(10_000),
    ],
    check: ({ kubelet }) => kubelet.healthy(GPU).filter((id) => id === "0000:17:00.0"),
  },
  {
    name: "the only device is offered again although kubelet's checkpoint still has its pod, and nothing is listed that would make kubelet write",
    shape: { isStandalone: true, devices: PLAIN.devices.slice(0, 1) },
    steps: [
      ...UP,
      ...POD,
      step("crashAgent"),
      step("completePod", { word: "pod-0" }),
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      start,
      advance(60_000),
    ],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  {
    name: "a pod does not start again in another span of trust",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      advance(8_000),
      step("startContainer", { word: "pod-0" }),
    ],
  },
  {
    name: "a pod does not start again after a reboot, before podresources shows it",
    steps: [...UP, ...POD, step("reboot"), step("startKubelet"), start, advance(100), step("startContainer", { word: "pod-0" })],
  },
  {
    name: "a pod of before a reboot does not start on the strength of another pod's answer",
    steps: [
      ...UP,
      intent("swapped"),
      advance(1_500),
      step("createPod", { word: NIC, at: 1 }),
      step("admitPod", { word: "pod-0" }),
      step("reboot"),
      step("podresourcesDown"),
      step("startKubelet"),
      intent("gpu-only"),
      start,
      advance(3_500),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
      step("completePod", { word: "pod-1" }),
      intent("swapped"),
      step("podresourcesDown"),
      advance(3_100),
      step("startContainer", { word: "pod-0" }),
    ],
  },
  {
    name: "a pod starts its container although podresources does not show it yet",
    ...STARTS_LATE,
  },
  {
    name: "a pod starts its container although podresources does not show it yet, without any settling time and API server",
    shape: { settleMs: 0, isStandalone: true },
    ...STARTS_LATE,
  },
  {
    name: "a device held since before a loss of trust is not offered, also after a restart",
    steps: [...UP, ...POD, step("loseUnit", { at: 0 }), step("findUnit", { at: 0 }), advance(8_000), step("crashAgent"), start, advance(8_000)],
  },
  {
    name: "a device held under its old name is not offered under the new one",
    steps: [...UP, ...POD, step("stopContainer", { word: "pod-0" }), intent("renamed"), advance(40_000)],
  },
  {
    name: "a device is not given away twice while kubelet starts again and again, and podresources is empty",
    shape: { settleMs: 500 },
    steps: YOUNG_KUBELETS,
  },
  {
    name: "a device is not given away twice while kubelet starts again and again, and there is no API server",
    shape: { settleMs: 500, isStandalone: true },
    steps: YOUNG_KUBELETS,
  },
  {
    name: "a device is not given away twice after a rename, while kubelet cannot reach its API server and shows no pod",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      ...BLIND,
      intent("renamed"),
      advance(40_000),
      step("createPod", { word: RENAMED, at: 1 }),
      step("cutOffKubelet"),
      step("admitPod", { word: "pod-1" }),
    ],
  },
  {
    name: "a device is free again when kubelet has come back to its API server, although pods ask for it meanwhile",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      ...BLIND,
      step("terminatePod", { word: "pod-0" }),
      step("cutOffKubelet"),
      step("finishPod", { word: "pod-0" }),
      step("createPod", { word: GPU, at: 1 }),
      advance(20_000),
      step("admitPod", { word: "pod-1" }),
      advance(20_000),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-2" }),
    ],
    check: ({ api }) => (api.pods[2]?.isRunning ? [] : ["the device is never given out again"]),
  },
  {
    name: "a device held since before a loss of trust is held while its holders are hidden",
    shape: { isStandalone: true },
    steps: [
      ...UP,
      ...POD,
      step("terminatePod", { word: "pod-0" }),
      step("hideHolders", { at: 0 }),
      step("loseUnit", { at: 0 }),
      advance(7_000),
      step("findUnit", { at: 0 }),
      advance(40_000),
      step("hideHolders", { at: 0 }),
      advance(40_000),
    ],
  },
];
