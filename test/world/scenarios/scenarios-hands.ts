// SPDX-License-Identifier: Apache-2.0

/** Devices in hands that kubelet does not show, or shows as another plugin's. */
import { OTHER_IDS } from "../models/other-plugin.ts";
import { GPU, PLAIN, RENAMED } from "../models/shape.ts";
import { advance, firstUnit, intent, POD, type Scenario, start, step, TWO_GPUS, UP } from "./scenario.ts";

const STOPPED_POD = [...POD, step("stopContainer", { word: "pod-0" })];
/** Kubelet starts without its API server. */
const BLIND = [step("cutOffKubelet"), step("killKubelet"), step("startKubelet")];
const SEES_AGAIN = step("cutOffKubelet", {}, 0);
const TRUST_ANEW = [step("loseUnit", { at: 0 }), step("findUnit", { at: 0 })];
const REAL = { isSimulated: false, realSetup: true };

const OTHERS: readonly Scenario[] = OTHER_IDS.filter((ids) => ids !== "small").flatMap((ids): readonly Scenario[] => [
  {
    name: `a function that another plugin's pod has is not offered (${ids})`,
    needs: ["otherPlugins"],
    shape: { ...TWO_GPUS, ...REAL },
    steps: [...UP, step("otherPluginTakes", { at: 0, word: ids }), advance(60_000)],
    check: ({ kubelet, api }) => {
      const shown = api.status?.devices.find((device) => device.address === "0000:17:00.0")?.reason;
      const complaint = shown === "HeldByOtherLedger" ? [] : [`the status says ${shown}`];
      return kubelet.healthy(GPU).join() === "0000:17:01.0" ? complaint : [`listed are ${kubelet.healthy(GPU).join(" ")}`];
    },
  },
  {
    name: `no CLEAR below a function that another plugin's pod has (${ids})`,
    needs: ["otherPlugins"],
    shape: { ...TWO_GPUS, ...REAL },
    steps: [...UP, step("otherPluginTakes", { at: 0, word: ids }), intent("cleared"), advance(20_000)],
  },
]);

export const HANDS: readonly Scenario[] = [
  ...OTHERS,
  {
    name: "a function that another plugin's pod has is not offered while kubelet starts again and again, and podresources is empty",
    shape: { settleMs: 500 },
    steps: [
      ...UP,
      step("otherPluginTakes", { at: 0, word: "address" }),
      advance(30_000),
      ...[900, 900, 900, 900].flatMap((ms) => [step("killKubelet", {}, 0), step("startKubelet"), advance(ms)]),
    ],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 0 ? [] : ["the device is offered"]),
  },
  {
    name: "numbers of a plugin that means no device of this host hold nothing",
    needs: ["otherPlugins"],
    steps: [...UP, step("otherPluginTakes", { at: 0, word: "small" }), advance(60_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  {
    name: "a renamed device is not given away a second time after a kubelet that knew of no pod",
    needs: ["blindKubelet"],
    steps: [
      ...UP,
      ...STOPPED_POD,
      intent("renamed"),
      ...BLIND,
      advance(60_000),
      step("createPod", { word: RENAMED, at: 1 }),
      SEES_AGAIN,
      step("admitPod", { word: "pod-1" }),
    ],
  },
  {
    name: "a device held since before a loss of trust is not offered on the word of a kubelet that knows of no pod",
    needs: ["blindKubelet"],
    steps: [...UP, ...STOPPED_POD, ...BLIND, ...TRUST_ANEW, advance(60_000), SEES_AGAIN, step("startContainer", { word: "pod-0" })],
    check: ({ api }) => (api.pods[0]?.isRunning ? ["the container has started"] : []),
  },
  {
    name: "no CLEAR on the word of a kubelet that knows of no pod, without an API server to ask",
    needs: ["blindAlone"],
    shape: { isStandalone: true },
    steps: [...UP, ...STOPPED_POD, ...BLIND, intent("cleared"), advance(60_000)],
  },
  {
    name: "no CLEAR under a renamed pod, after a restart, on the word of a kubelet that knows of no pod",
    needs: ["blindKubelet"],
    steps: [
      ...UP,
      ...STOPPED_POD,
      intent("renamed"),
      advance(60_000),
      step("crashAgent"),
      ...BLIND,
      start,
      intent("renamed-cleared"),
      advance(60_000),
    ],
  },
  {
    name: "a device that a running pod has is not given away by a kubelet without its checkpoint",
    needs: ["checkpoints"],
    steps: [
      ...UP,
      ...POD,
      advance(5_000),
      step("killKubelet"),
      step("loseCheckpoint", { word: "lost" }),
      step("startKubelet"),
      advance(40),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
    ],
  },
  {
    name: "a device is not given a second time by a kubelet with an older checkpoint before the first VM opens it",
    needs: ["checkpoints", "slowStarts"],
    shape: { openDelayMs: 5_000, devices: PLAIN.devices.slice(0, 1) },
    steps: [
      ...UP,
      ...POD,
      step("killKubelet"),
      step("loseCheckpoint", { word: "rolled back" }),
      step("startKubelet"),
      advance(1_000),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
    ],
  },
  {
    name: "a device is given to the next pod over a restart of kubelet that forgets nothing",
    steps: [
      ...UP,
      ...POD,
      advance(1_000),
      step("killKubelet"),
      step("startKubelet"),
      advance(15_000),
      step("completePod", { word: "pod-0" }),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
      advance(5_000),
    ],
    check: ({ api }) => (api.pods[1]?.stage === "Held" ? [] : [`pod-1 is ${api.pods[1]?.stage}`]),
  },
  {
    name: "no CLEAR on a node whose /proc is another namespace's",
    shape: { isProcForeign: true },
    steps: [...UP, step("openFromOutside", { at: 0 }), intent("cleared"), advance(20_000)],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "a device that a process has open, and no pod, is not listed",
    needs: ["unknownHolders"],
    steps: [...UP, step("openFromOutside", { at: 0 }), advance(60_000)],
  },
  {
    name: "a device held since before a loss of trust is not offered while its container does not run",
    needs: ["stoppedHolders"],
    steps: [...UP, ...STOPPED_POD, ...TRUST_ANEW, advance(60_000)],
  },
  {
    name: "no CLEAR between PreStart's yes and the VM's open, although its pod is gone",
    needs: ["slowStarts"],
    shape: { openDelayMs: 5_000 },
    steps: [
      ...UP,
      ...POD,
      advance(10_000),
      step("stopContainer", { word: "pod-0" }),
      advance(20_000),
      step("startContainer", { word: "pod-0" }),
      step("forceDeletePod", { word: "pod-0" }),
      intent("cleared"),
      advance(20_000),
    ],
  },
  {
    name: "a device that kubelet forgot stays withheld while kubelet cannot be asked",
    needs: ["checkpoints", "unknownHolders"],
    steps: [
      ...UP,
      ...POD,
      advance(12_000),
      step("killKubelet"),
      step("loseCheckpoint"),
      step("startKubelet"),
      advance(20_000),
      step("podresourcesDown"),
      advance(12_000),
    ],
    check: ({ kubelet }) => (kubelet.healthy(GPU).includes("0000:17:00.0") ? ["it is listed"] : []),
  },
  {
    name: "a device that a process had open before there was an intent is not listed when the intent comes in the middle of a look",
    needs: ["unknownHolders"],
    steps: [
      ...UP,
      intent("none"),
      step("openFromOutside", { at: 0 }),
      advance(45_000),
      step("stall", { word: "podresources.observe" }),
      advance(10_500),
      intent("trusted"),
      step("stall", { word: "" }),
    ],
  },
];
