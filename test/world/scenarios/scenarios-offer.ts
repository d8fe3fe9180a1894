// SPDX-License-Identifier: Apache-2.0

/** What is listed, and what is withdrawn at once. */
import { GPU, NIC } from "../models/shape.ts";
import { advance, firstUnit, intent, POD, type Scenario, start, step, TWO_GPUS, UP } from "./scenario.ts";

export const OFFERS: readonly Scenario[] = [
  {
    name: "the intent says Cleared while a look takes long: kubelet is refused by the newest one",
    shape: { listDelayMs: 900 },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("stall", { word: "host.observe" }),
      intent("cleared"),
      step("admitPod", { word: "pod-0" }),
    ],
    check: ({ api }) => (api.pods[0]?.stage === "Held" ? ["the pod should have been refused"] : []),
  },
  {
    name: "a name that another plugin serves is not registered over it",
    steps: [step("otherPluginServes", { word: GPU }), ...UP, advance(30_000)],
    check: ({ kubelet, api }) => {
      const shown = api.status?.devices.find((device) => device.address === "0000:17:00.0")?.reason;
      const complaint = shown === "NameServedByOther" ? [] : [`the status says ${shown}`];
      return kubelet.endpoints.has(GPU) ? ["it is registered"] : complaint;
    },
  },
  {
    name: "a name that another plugin has served is registered when that one has gone",
    steps: [step("otherPluginServes", { word: GPU }), ...UP, step("otherPluginReturns"), advance(30_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["it is not offered"]),
  },
  {
    name: "a list that kubelet still believes in gives away nothing under an old name",
    shape: { listDelayMs: 1_000 },
    steps: [start, advance(8_000), step("createPod", { word: GPU, at: 1 }), intent("swapped"), step("admitPod", { word: "pod-0" })],
  },
  {
    name: "a device is not offered with a CDI spec that has been removed meanwhile",
    steps: [
      ...UP,
      step("stall", { word: "cdi.sync" }),
      step("unplug", { at: 1 }),
      intent("ledger"),
      step("stall", { word: "" }, "host.observe"),
      step("stall", { word: "host.observe" }, 0),
      step("cdiReadOnly", {}, 0),
      intent("gpu-only"),
      step("stall", { word: "" }),
      advance(5_000),
    ],
  },
  {
    name: "a held device that has lost its vfio device keeps no other one back after a restart",
    shape: { ...TWO_GPUS, isSimulated: false, realSetup: true },
    steps: [...UP, ...POD, step("unbindVfio", { at: 0 }), advance(5_000), step("crashAgent"), start, advance(5_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).includes("0000:17:01.0") ? [] : ["the other device is not offered"]),
  },
  {
    name: "a device that goes while kubelet is slow to answer is withdrawn at once",
    steps: [...UP, step("stall", { word: "podresources.observe" }), step("unplug", { at: 0 }), step("unbindVfio", { at: 1 })],
  },
  {
    name: "an intent of Cleared withdraws at once while the host is slow to read, however often it changes",
    steps: [...UP, step("stall", { word: "host.observe" }), step("unplug", { at: 1 }), step("replug", { at: 1 }), intent("cleared")],
  },
  {
    name: "a device that goes while the API server is slow to answer is withdrawn at once",
    shape: TWO_GPUS,
    steps: [
      ...UP,
      ...POD,
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      advance(8_000),
      step("completePod", { word: "pod-0" }),
      step("stall", { word: "pods.observe" }),
      advance(2_500),
      step("unplug", { at: 1 }),
    ],
  },
  {
    name: "a device whose link changes while reading tsm/ blocks is withheld, and only that one",
    steps: [...UP, step("blockTsm"), advance(3_000), step("secureLink", { at: 0, word: "Broken" }), advance(25_000)],
    check: ({ kubelet }) => {
      const listed = `${kubelet.healthy(GPU).length} ${kubelet.healthy(NIC).length}`;
      return listed === "0 1" ? [] : [`gpus and nics in kubelet's lists: ${listed}`];
    },
  },
  {
    name: "an agent that starts while reading tsm/ blocks withholds all, and offers soon after",
    steps: [...UP, step("blockTsm"), step("crashAgent"), start, advance(25_000), step("blockTsm"), advance(2_500)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  {
    name: "an unplugged device that a pod holds says that it is missing",
    steps: [...UP, ...POD, step("unplug", { at: 0 }), advance(20_000)],
  },
  {
    name: "another plugin's pod blocks nothing",
    shape: { hasForeignPod: true },
    steps: [...UP, intent("cleared"), advance(10_000)],
    check: firstUnit("Cleared"),
  },
  { name: "a device that no resource takes says so", steps: [intent("gpu-only"), ...UP] },
  { name: "a device whose capability is hidden says so", steps: [...UP, step("hideCapability", { at: 0 }), advance(20_000)] },
  { name: "a device whose unit is hidden says so", steps: [...UP, step("hideUnitOfFunction", { at: 0 }), advance(20_000)] },
  { name: "an unreadable driver closes the gate", steps: [...UP, step("hideFromDriver"), advance(20_000)] },
  {
    name: "a driver that comes in the middle of a look is used soon after",
    steps: [step("hideFromDriver"), start, advance(12_000), step("unplug", { at: 1 }, "cdi.sync"), step("hideFromDriver"), advance(1_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  {
    name: "a driver that cannot be read at the end of a look only costs no more than a moment",
    steps: [
      ...UP,
      step("hideFromDriver"),
      advance(12_000),
      step("hideFromDriver"),
      step("unplug", { at: 1 }, "cdi.sync"),
      step("hideFromDriver"),
      step("hideFromDriver"),
      advance(1_000),
    ],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  { name: "a read-only CDI folder closes the gate", steps: [step("cdiReadOnly"), ...UP, advance(20_000)] },
  {
    name: "an id without trust is cleared and the unit set up again",
    steps: [...UP, step("breakEnvironment", { word: "Ud" }), advance(20_000), step("mendEnvironment", { word: "kept" }), advance(40_000)],
    check: firstUnit("SetupSucceeded"),
  },
  {
    name: "the nic goes with its own list",
    steps: [...UP, step("createPod", { word: NIC, at: 1 }), step("admitPod", { word: "pod-0" }), advance(1_000)],
  },
];
